"""Several forms behind one Save: the first tab with an error is the one that opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from panel import refusals
from panel.forms.base import PanelForm
from panel.refusals import Refused


@dataclass(slots=True)
class FormTab:
    """`template`: how the tab's fields are laid out, if not as every other tab's."""

    key: str
    label: str
    form: PanelForm
    template: str = "panel/forms/fields.html"
    intro: str = ""

    @property
    def has_errors(self) -> bool:
        return bool(self.form.errors)


class TabbedForm:
    """The tabs of one page. `version`: what the page was opened with, to notice other hands."""

    def __init__(self, tabs: Sequence[FormTab], *, version: int | None = None) -> None:
        self.tabs = tabs
        self.version = version
        self.refused: list[str] = []

    def tab(self, key: str) -> FormTab:
        return next(tab for tab in self.tabs if tab.key == key)

    def form(self, key: str) -> PanelForm:
        return self.tab(key).form

    def __iter__(self) -> Iterator[FormTab]:
        return iter(self.tabs)

    def is_valid(self) -> bool:
        outcomes = [tab.form.is_valid() for tab in self.tabs]  # none is left out after an error
        return all(outcomes)

    @property
    def active(self) -> str:
        """The tab that opens."""
        return next((tab.key for tab in self.tabs if tab.has_errors), self.tabs[0].key)

    @property
    def error_count(self) -> int:
        return sum(len(tab.form.errors) for tab in self.tabs) + len(self.refused)

    def changed(self) -> dict[str, dict[str, Any]]:
        """Tab to changed values; tabs without any are left out."""
        found = {tab.key: tab.form.changed_values() for tab in self.tabs}
        return {key: values for key, values in found.items() if values}

    def save(self, service: Callable[[], object]) -> bool:
        """Call the service; what it refuses goes to the fields, and the answer is False."""
        try:
            service()
        except Refused as error:
            if isinstance(error, refusals.OUT_OF_SIGHT + refusals.FORBIDDEN[:1]):
                raise
            self.refuse(error)
            return False
        return True

    def refuse(self, error: Refused) -> None:
        """A blamed field may be named with its tab, `technical.pop_port`, or alone."""
        for name, sentence in refusals.problems(error):
            key, _, field = (name or "").rpartition(".")
            form = self._blamed(key, field)
            if form is None:
                self.refused.append(sentence)
            else:
                form.refuse(field, sentence)

    def _blamed(self, key: str, field: str) -> PanelForm | None:
        for tab in self.tabs:
            if field in tab.form.fields and key in ("", tab.key):
                return tab.form
        return None
