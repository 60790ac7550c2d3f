"""The filter of a list by time: the latest hour, day, week, month or year."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.admin import FieldListFilter, ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from clock.fields import MomentField
from clock.moments import utc_now

SPANS = {
    "hour": ("Past hour", timedelta(hours=1)),
    "day": ("Past 24 hours", timedelta(days=1)),
    "week": ("Past 7 days", timedelta(days=7)),
    "month": ("Past 30 days", timedelta(days=30)),
    "year": ("Past 365 days", timedelta(days=365)),
}


class MomentFilter(FieldListFilter):
    """Integers of microseconds have no date hierarchy; a lower bound is what indexes answer."""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: ModelAdmin[Any],
        field_path: str,
    ) -> None:
        self._parameter = f"{field_path}__since"
        super().__init__(field, request, params, model, model_admin, field_path)
        given = self.used_parameters.get(self._parameter)
        self._chosen = given[-1] if isinstance(given, list) and given else given

    def expected_parameters(self) -> list[str | None]:
        return [self._parameter]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        everything = changelist.get_query_string(remove=[self._parameter])
        yield {"selected": not self._chosen, "query_string": everything, "display": "Any time"}
        for key, (label, _) in SPANS.items():
            yield {
                "selected": self._chosen == key,
                "query_string": changelist.get_query_string({self._parameter: key}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self._chosen not in SPANS:
            return queryset
        span = SPANS[str(self._chosen)][1]
        return queryset.filter(**{f"{self.field_path}__gte": utc_now() - span})


FieldListFilter.register(
    lambda field: isinstance(field, MomentField), MomentFilter, take_priority=True
)
