"""How fields stand on a page: numbers with their unit and switch, then the plain switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import models
from django.forms import BoundField

from panel import refusals
from panel.forms import words

SWITCH = "_enabled"


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting. `switch`: the checkbox by which it holds at all."""

    field: BoundField
    switch: BoundField | None = None
    unit: str = ""
    help_topic: str = ""

    @property
    def has_errors(self) -> bool:
        return bool(self.field.errors or (self.switch and self.switch.errors))


class PanelForm(forms.Form):
    """A form in Tabler's dress: classes, labels and what a screen reader is told of errors.

    `help_page` and the field's name are the topic to which the help link of a field leads.
    """

    use_required_attribute = False  # a hidden tab's field would block Save without a word
    help_page = ""
    # What a service calls a field, where the form has another name for it.
    other_names: Mapping[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            dress(name, field)

    def add(self, name: str, field: forms.Field) -> None:
        """One field more, dressed as the others."""
        self.fields[name] = field
        dress(name, field)

    def cells(self) -> Iterator[Cell]:
        """Fields that are filled in, in order."""
        for bound in self.visible_fields():
            if isinstance(bound.field, forms.BooleanField):
                continue
            switch = f"{bound.name}{SWITCH}"
            yield Cell(
                bound,
                self[switch] if switch in self.fields else None,
                words.unit(bound.name),
                self._topic(bound),
            )

    def switches(self) -> Iterator[Cell]:
        """Checkboxes that stand for themselves."""
        for bound in self.visible_fields():
            is_paired = bound.name.removesuffix(SWITCH) != bound.name and (
                bound.name.removesuffix(SWITCH) in self.fields
            )
            if isinstance(bound.field, forms.BooleanField) and not is_paired:
                yield Cell(bound, help_topic=self._topic(bound))

    def refuse(self, name: str | None, sentence: str) -> None:
        """Put a refusal of a service to the field that it blames, or on top of the form."""
        name = self.other_names.get(name or "", name)
        self.add_error(name if name in self.fields else None, sentence)

    def save(self, service: Callable[[], object]) -> bool:
        """Call the service; what it refuses goes to the fields, and the answer is False."""
        try:
            service()
        except refusals.Refused as error:
            if isinstance(error, refusals.OUT_OF_SIGHT + refusals.FORBIDDEN[:1]):
                raise
            for name, sentence in refusals.problems(error):
                self.refuse(name, sentence)
            return False
        return True

    def changed_values(self) -> dict[str, Any]:
        """Cleaned values of the fields that differ from what the page was opened with."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def _topic(self, bound: BoundField) -> str:
        return f"{self.help_page}.{bound.name}" if self.help_page else ""


def dress(name: str, field: forms.Field) -> None:
    """Tabler's classes; a label from the name if the field has none of its own."""
    widget = field.widget
    if field.label is None:
        field.label = words.label(name)
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple):
        widget.attrs.setdefault("class", "form-check-input")
    elif isinstance(widget, forms.Select):
        widget.attrs.setdefault("class", "form-select")
    else:
        widget.attrs.setdefault("class", "form-control")
    if isinstance(widget, forms.NumberInput):
        widget.attrs.setdefault("inputmode", "numeric")


def of_model(model: type[models.Model], names: tuple[str, ...]) -> dict[str, forms.Field]:
    """Form fields for these columns, labelled by the panel's words."""
    made = forms.fields_for_model(model, fields=names)
    for name, field in made.items():
        field.label = words.label(name)
    return made


def values_of(row: models.Model, names: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: getattr(row, name) for name in names}


def version_in(data: Mapping[str, Any]) -> int:
    """The version of a row that a page was opened with; nonsense never fits."""
    text = str(data.get("version", ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
