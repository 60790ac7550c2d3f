"""An admin page that only shows, for rows that a service or a mail flow keeps.

What comes out of mail is hostile text: it is shown as Django escapes it, never marked as safe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from adminsite import exporting
from adminsite.choosing import ChooseOne, ChooseSeveral
from adminsite.moments import MomentFilter
from clock.fields import MomentField
from units import moments, sizes

# Further rows are neither counted nor paged to: whoever looks for one of them filters.
COUNTED = 10_000
# Columns of whole bytes, as all rooms name them.
SIZE = re.compile(r"bytes|.+_bytes|bytes_(in|out)")


class CappedPaginator(Paginator[Any]):
    """Counts no further than anybody pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return min(len(rows.order_by().values_list("pk")[: COUNTED + 1]), COUNTED)


class PlainAdmin(ModelAdmin):  # type: ignore[misc]
    """Tables may be huge: no count of the whole, no list of all rows to choose from.

    The first moment of a list is a filter of it.
    """

    show_full_result_count = False
    list_per_page = 50
    paginator = CappedPaginator
    # Column to the words for its value, such as ids in the form that commands take.
    shown_as: ClassVar[Mapping[str, Callable[[Any], str]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._columns: dict[Any, Any] = {}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", ChooseOne(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", ChooseSeveral(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._column(name) for name in super().get_list_display(request)]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        given = list(super().get_list_filter(request))
        moments = [name for name in self.list_display if self._is_moment(name)]
        return given + [(name, MomentFilter) for name in moments[:1] if name not in given]

    def _column(self, name: Any) -> Any:
        """The column itself, or a function that shows its value readably: the same each time."""
        if name not in self._columns:
            self._columns[name] = self._make_column(name)
        return self._columns[name]

    def _make_column(self, name: Any) -> Any:
        words = self._words(name) if isinstance(name, str) else None
        if words is None:
            return name
        field = self.model._meta.get_field(name)

        @admin.display(description=field.verbose_name, ordering=name, empty_value="-")
        def shown(row: models.Model) -> str | None:
            value = getattr(row, name)
            return None if value is None else words(value)

        shown.__name__ = name
        return shown

    def _words(self, name: str) -> Callable[[Any], str] | None:
        if name in self.shown_as:
            return self.shown_as[name]
        field = self._field(name)
        if isinstance(field, MomentField | models.DateTimeField):
            return moments.to_the_second
        is_size = isinstance(field, models.IntegerField) and SIZE.fullmatch(name)
        return sizes.in_words if is_size else None

    def _is_moment(self, name: Any) -> bool:
        return isinstance(self._field(name), MomentField)

    def _field(self, name: Any) -> Any:
        """None for what is no column of the table."""
        try:
            return self.model._meta.get_field(name)
        except (FieldDoesNotExist, TypeError):
            return None


class ReadOnlyAdmin(PlainAdmin):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def _names(self) -> list[str]:
        return [field.name for field in exporting.shown_fields(self.model)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [self._column(name) for name in self._names()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_fields(request, obj)
