"""Fields of a form that look for rows by their names, such as the domain of an alias."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.widgets import (
    AutocompleteMixin,
    AutocompleteSelect,
    AutocompleteSelectMultiple,
)


class _Named(AutocompleteMixin):
    """Says what is to be chosen: Select2 names its box after the words that stand in it."""

    field: Any

    @property
    def media(self) -> forms.Media:
        before = ["admin/js/jquery.init.js", "admin/js/autocomplete.js"]
        return super().media + forms.Media(js=[*before, "panel/choosing.js"])

    def build_attrs(
        self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        attrs: dict[str, Any] = super().build_attrs(base_attrs, extra_attrs)
        return {**attrs, "data-placeholder": f"Choose: {self.field.verbose_name}"}


class ChooseOne(_Named, AutocompleteSelect):
    """For a foreign key."""


class ChooseSeveral(_Named, AutocompleteSelectMultiple):
    """For several rows."""
