"""What new domains begin with, and setting it on domains that exist (D-027)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet

from domains import defaults
from domains.errors import NameMalformed
from domains.models import TABS, Domain
from domains.names import read_name
from panel.forms import domains as domain_forms
from panel.forms.base import PanelForm, of_model
from panel.forms.tabbed import FormTab, TabbedForm
from panel.forms.words import label, unit

# What one reads and pastes; a whole server needs no list.
LONGEST_LIST = 100_000  # characters
INTRO = "New domains begin with these values, whoever opens them, unless told otherwise."


class DefaultOptionsForm(PanelForm):
    help_page = "domains.options"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add("listen_ip", domain_forms.ListenField(self.initial.get("listen_ip")))
        for name, field in of_model(Domain, domain_forms.OPTIONS[1:]).items():
            self.add(name, field)


def for_defaults(data: Any, *, version: int) -> TabbedForm:
    """All tabs of a domain behind one Save."""
    current = defaults.current()
    options = DefaultOptionsForm(data, prefix="options", initial=current["options"])
    tabs = [FormTab("options", "Options", options, intro=INTRO)]
    for tab in TABS:
        tabs.append(domain_forms.tab_of(tab, data, current[tab]))
    return TabbedForm(tabs, version=version)


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting that can be chosen; `name` is `part.field`."""

    name: str
    label: str
    value: str
    is_chosen: bool
    is_own: bool  # it is another than the factory's


@dataclass(frozen=True, slots=True)
class ChoiceGroup:
    key: str
    label: str
    choices: list[Choice]

    @property
    def is_open(self) -> bool:
        return any(choice.is_chosen or choice.is_own for choice in self.choices)


class PropagateForm(PanelForm):
    """Which settings, on which domains, and why."""

    help_page = "domain-defaults"
    fields_chosen = forms.MultipleChoiceField(
        label="Settings",
        error_messages={"required": "Choose at least one setting."},
        help_text="Their present defaults are set on the domains; other settings stay.",
    )
    names = forms.CharField(
        label="Domains",
        required=False,
        max_length=LONGEST_LIST,
        widget=forms.Textarea(attrs={"rows": 4, "autocapitalize": "none", "spellcheck": "false"}),
        help_text="One or more names; empty: all domains.",
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=300,
        help_text="Stands in the audit trail, which the domains' administrators see.",
    )

    def __init__(self, domains: QuerySet[Domain], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._domains = domains
        self._current, self._factory = defaults.current(), defaults.factory()
        chosen: Any = self.fields["fields_chosen"]
        chosen.choices = [
            (f"{part}.{name}", name) for part, values in self._current.items() for name in values
        ]

    def clean_names(self) -> list[Domain] | None:
        """The domains; None: all."""
        words = [word for word in re.split(r"[\s,;]+", self.cleaned_data["names"]) if word]
        if not words:
            return None
        names, unknown = {}, []
        for word in words:
            try:
                names[read_name(word).name] = word
            except NameMalformed:
                unknown.append(word)
        found = {row.name: row for row in self._domains.filter(name__in=names)}
        unknown += [word for name, word in names.items() if name not in found]
        if unknown:
            raise forms.ValidationError(f"There is no domain {', '.join(unknown[:5])}.")
        return list(found.values())

    def groups(self) -> Iterator[ChoiceGroup]:
        """All that can be chosen, tab by tab, with its present default."""
        chosen = set(self["fields_chosen"].data or ())
        for part, values in self._current.items():
            yield ChoiceGroup(
                part,
                part_label(part),
                [
                    Choice(
                        name=f"{part}.{name}",
                        label=label_of(name),
                        value=in_words(name, value),
                        is_chosen=f"{part}.{name}" in chosen,
                        is_own=value != self._factory[part][name],
                    )
                    for name, value in values.items()
                ],
            )


def part_label(part: str) -> str:
    return domain_forms.LABELS.get(part, part.capitalize())


def label_of(name: str) -> str:
    """`users_enabled` belongs to `users`."""
    words = label(name.removesuffix("_enabled"))
    return f"{words}: on" if name.endswith("_enabled") else words


def in_words(name: str, value: Any) -> str:
    """A value as people read it; `name` may have its part before it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in (None, ""):
        return "all addresses" if name.endswith("listen_ip") else "none"
    end = unit(name)
    return f"{value:,} {end}".strip() if isinstance(value, int) else str(value)
