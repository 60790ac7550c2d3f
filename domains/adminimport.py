"""CSV files into the admin's lists: every line goes by the form and the service of the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from domains import selectors
from domains.errors import Refused
from domains.models import Domain

LARGEST_BYTES = 4 << 20
MOST_LINES = 5_000  # all of them in one transaction, or none
SHOWN_PROBLEMS = 50
YES = frozenset({"yes", "true", "1", "on"})


class UploadForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="UTF-8; the first line names the columns, as an export of this list does.",
    )

    def clean_file(self) -> str:
        content: bytes = self.cleaned_data["file"].read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise forms.ValidationError(f"The file is larger than {LARGEST_BYTES >> 20} MB.")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not UTF-8.") from None


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    values: Mapping[str, str]


class Unreadable(Exception):
    """The file as a whole cannot be taken; says why."""


class _Undo(Exception):
    """Some line was refused: none is taken."""


class ImportMixin:
    """For a ServiceAdmin that adds rows: a button above its list."""

    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """Asks for the file, or takes all of it; or says of each line why not."""
        form = UploadForm(request.POST or None, request.FILES or None)
        problems: list[str] = []
        if request.method == "POST" and form.is_valid():
            added, problems = self._take(request, form.cleaned_data["file"])
            if not problems:
                messages.success(request, f"Added {added:,} from the file.")
                return HttpResponseRedirect(self._list_url())
        return self._page(request, form, problems)

    def _take(self, request: HttpRequest, text: str) -> tuple[int, list[str]]:
        page: Any = self
        form_class = page.get_form(request, None)
        problems: list[str] = []
        added = 0
        try:
            with transaction.atomic():
                for line in _lines(text, known=self._columns_known(form_class)):
                    if words := self._add(request, form_class, line):
                        problems.append(f"Line {line.number}: {words}")
                    added += 1
                if problems:
                    raise _Undo
        except Unreadable as error:
            return 0, [str(error)]
        except _Undo:
            return 0, problems
        return added, []

    def _add(self, request: HttpRequest, form_class: Any, line: Line) -> str:
        """Empty, or why this line is not taken."""
        page: Any = self
        try:
            form = form_class(_filled(form_class(), line.values))
            if not form.is_valid():
                return "; ".join(
                    f"{'' if name == '__all__' else name + ': '}{' '.join(errors)}"
                    for name, errors in form.errors.items()
                )
            with transaction.atomic():
                page.add(request, form.cleaned_data)
        except Refused as error:
            return str(error)
        return ""

    def _columns_known(self, form_class: Any) -> frozenset[str]:
        """Of the form, and those of an export that no form asks for."""
        page: Any = self
        columns = {field.name for field in page.model._meta.concrete_fields}
        return frozenset(columns | set(form_class().fields))

    def _list_url(self) -> str:
        meta: Any = self.model._meta  # type: ignore[attr-defined]
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")

    def _page(self, request: HttpRequest, form: UploadForm, problems: list[str]) -> HttpResponse:
        page: Any = self
        empty = page.get_form(request, None)()
        columns = [
            (name, field.required and empty.get_initial_for_field(field, name) in (None, ""),
             field.help_text)
            for name, field in empty.fields.items()
        ]  # fmt: skip
        context = {
            **page.admin_site.each_context(request),
            "title": f"Import {page.model._meta.verbose_name_plural}",
            "opts": page.model._meta,
            "form": form,
            "problems": problems[:SHOWN_PROBLEMS],
            "further": max(0, len(problems) - SHOWN_PROBLEMS),
            "columns": columns,
            "list_url": self._list_url(),
        }
        return TemplateResponse(request, "admin/import_csv.html", context)


def _lines(text: str, *, known: frozenset[str]) -> Iterator[Line]:
    """Raises Unreadable."""
    reader = csv.reader(io.StringIO(text), strict=True)
    heads: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not heads:
                heads = [cell.strip() for cell in cells]
                if unknown := [head for head in heads if head not in known]:
                    raise Unreadable(f"No such column: {', '.join(unknown)[:200]}.")
                continue
            if reader.line_num > MOST_LINES:
                raise Unreadable(f"More than {MOST_LINES:,} lines: split the file.")
            yield Line(reader.line_num, dict(zip(heads, map(_plain, cells), strict=False)))
    except csv.Error as error:
        raise Unreadable(f"This is no CSV file: {error}.") from None
    if not heads:
        raise Unreadable("The file is empty.")


def _plain(cell: str) -> str:
    """Without the quote that an export puts before what a spreadsheet would calculate."""
    return cell[1:] if cell.startswith("'") else cell


def _filled(empty: forms.BaseForm, values: Mapping[str, str]) -> dict[str, Any]:
    """What a browser would send: the form's own defaults where the file says nothing."""
    found: dict[str, Any] = {}
    for name, field in empty.fields.items():
        if name in values and values[name] != "":
            value = _value(field, values[name])
        else:
            value = empty.get_initial_for_field(field, name)
        if value is not None and value is not False and value != "":
            found[name] = value
    return found


def _value(field: forms.Field, text: str) -> Any:
    if isinstance(field, forms.BooleanField):
        return text.strip().lower() in YES
    if isinstance(field, forms.ModelMultipleChoiceField):
        return [_key(field, name) for name in text.split()]
    if isinstance(field, forms.MultipleChoiceField):
        return text.split()
    if isinstance(field, forms.ModelChoiceField):
        return _key(field, text)
    return text


def _key(field: forms.ModelChoiceField[Any], name: str) -> Any:
    """Of what people call by name: a domain, a user, a plan. Raises DomainUnknown."""
    model: Any = field.queryset.model if field.queryset is not None else None
    if model is Domain:
        return selectors.by_name(name).pk
    try:
        if model is get_user_model():
            return model.objects.get_by_natural_key(name).pk
        if any(one.name == "name" and isinstance(one, models.CharField) and one.unique
               for one in model._meta.concrete_fields):  # fmt: skip
            return model._default_manager.get(name=name).pk
    except ObjectDoesNotExist:
        return name  # the form says that there is none
    return name
