"""Admin pages that change rows by services: same rules, same record as everywhere else (X-002)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import messages
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import action

from adminsite.readonly import PlainAdmin
from domains.adminimport import ImportMixin
from domains.errors import Refused, ValuesRefused
from domains.singlerow import SingleRow
from events import audit


class ServiceAdmin(ImportMixin, PlainAdmin):
    """Subclasses hand over to services in `add`, `change` and `remove`.

    A refusal of the service becomes an error on the form, which is shown again as it was filled.
    Where rows can be added they can be imported. `fixed`: what only a new row is asked for.
    """

    actions_list: tuple[str, ...] = ("import_csv",)
    fixed: tuple[str, ...] = ()

    @action(  # type: ignore[untyped-decorator]
        description="Import CSV", url_path="import-csv", permissions=["add"]
    )
    def import_csv(self, request: HttpRequest) -> HttpResponse:
        with _acting(request):
            return super().import_csv(request)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.Model:
        """Make the row; `data` are the cleaned values of the form."""
        raise NotImplementedError

    def change(self, request: HttpRequest, row: Any, data: dict[str, Any]) -> None:
        """`data` are the cleaned values that were changed on the form."""
        raise NotImplementedError

    def remove(self, request: HttpRequest, row: Any) -> None:
        raise NotImplementedError

    # --- what Django asks --------------------------------------------------------------------

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fixed if obj is not None else ()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with _acting(request):
            try:
                response: HttpResponse = super().changeform_view(request, *args, **kwargs)
            except Refused as error:
                request.refusal = error  # type: ignore[attr-defined]
                response = super().changeform_view(request, *args, **kwargs)
        return response

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form_class = super().get_form(request, *args, **kwargs)
        refusal: Refused | None = getattr(request, "refusal", None)
        return form_class if refusal is None else _refused(form_class, refusal)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        data = form.cleaned_data
        if not change:
            # The page goes on with the row that the service made.
            made = self.add(request, data)
            obj.__dict__.update(made.__dict__)
            return
        changed = {name: data[name] for name in form.changed_data if name in data}
        if changed:
            self.change(request, self.model._default_manager.get(pk=obj.pk), changed)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Services have done it."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        with transaction.atomic():
            for row in queryset:
                self.remove(request, row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only the rows themselves are named: what goes with them is the service's knowledge."""
        rows = list(objs)
        name = str(self.model._meta.verbose_name_plural)
        return [str(row) for row in rows], {name: len(rows)}, set(), []

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_say_why(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_say_why(request, super().changelist_view, *args, **kwargs)

    def _or_say_why(
        self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        with _acting(request):
            try:
                response: HttpResponse = view(request, *args, **kwargs)
            except Refused as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(request.get_full_path())
        return response


class SingleRowAdmin(ServiceAdmin):
    """Settings of the whole server: one row, which appears with the first change."""

    single: SingleRow[Any]
    actions_list = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        may: bool = super().has_add_permission(request)
        return may and not self.model._default_manager.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.Model:
        row: models.Model = self.single.change(data, by=request.user)
        return row

    def change(self, request: HttpRequest, row: Any, data: dict[str, Any]) -> None:
        self.single.change(data, by=request.user)


def act_on_each(
    page: Any, request: HttpRequest, rows: Iterable[Any], act: Callable[[Any], object], done: str
) -> None:
    """An action on chosen rows: each by itself, with words for what was refused."""
    count = 0
    with _acting(request):
        for row in rows:
            try:
                act(row)
                count += 1
            except Refused as error:
                page.message_user(request, f"{row}: {error}", messages.ERROR)
    if count:
        page.message_user(request, f"{done} {count:,}.", messages.SUCCESS)


@contextmanager
def _acting(request: HttpRequest) -> Iterator[None]:
    with audit.acting(client_address=request.META.get("REMOTE_ADDR", "")):
        yield


def _refused(form_class: type[forms.BaseForm], refusal: Refused) -> type[forms.BaseForm]:
    """The form, with what the service said as its errors."""

    class RefusedForm(form_class):  # type: ignore[misc, valid-type]
        def clean(self) -> Any:
            cleaned = super().clean()
            problems = refusal.problems if isinstance(refusal, ValuesRefused) else ()
            for problem in problems:
                name = problem.field if problem.field in self.fields else None
                self.add_error(name, problem.reason if name else str(problem))
            if not problems:
                self.add_error(None, str(refusal))
            return cleaned

    return RefusedForm
