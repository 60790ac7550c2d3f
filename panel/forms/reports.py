"""A report that is to be mailed: which, about whom, when and to whom (R-020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import Role, User
from panel.forms.base import PanelForm
from panel.reportpage import PERIODS
from reports import asking, kinds
from reports.kinds import Scope
from reports.models import Kind, Rhythm, Schedule
from reports.schedules import MOST_ADDRESSES

HOURS = [(hour, f"{hour:02}:00 UTC") for hour in range(24)]


class ScheduleForm(PanelForm):
    """When and to whom: what can be changed later, too."""

    help_page = "mailed-reports"
    rhythm = forms.ChoiceField(
        label="When", choices=Rhythm.choices, initial=Rhythm.WEEKLY,
        help_text="It is about the day, the week or the month before.",
    )  # fmt: skip
    hour = forms.TypedChoiceField(
        label="At", choices=HOURS, coerce=int, initial=6,
        help_text="The hour of the day. A report that is sent once is sent at once.",
    )  # fmt: skip
    days = forms.IntegerField(
        label="Days to look back", min_value=1, max_value=400, initial=30,
        help_text="For a report that is sent once: how many days it is about, 1 to 400.",
    )  # fmt: skip
    inactive = forms.ChoiceField(
        label="Inactive for", choices=PERIODS, initial="90d",
        help_text="For reports on inactive users: for how long nobody has logged in.",
    )  # fmt: skip
    addresses = forms.CharField(
        label="To", max_length=400 * MOST_ADDRESSES,
        widget=forms.Textarea(
            attrs={"rows": 3, "autocapitalize": "none", "spellcheck": "false", "inputmode": "email"}
        ),
        help_text=f"E-mail addresses, one a line, {MOST_ADDRESSES} at most. "
        "Each gets a message of his own.",
    )  # fmt: skip
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, actor: User | None = None, *args: Any, row: Schedule | None = None, **kwargs: Any
    ) -> None:
        if row is not None:
            kwargs["initial"] = _values_of(row)
        super().__init__(*args, **kwargs)
        if row is not None:
            self.add("is_paused", _paused())
        if actor is not None and actor.role == Role.USER:
            del self.fields["addresses"]  # ordinary users write to themselves

    def values(self) -> dict[str, Any]:
        """For `reports.schedules`."""
        names = ("rhythm", "hour", "days", "inactive", "is_paused")
        return {name: self.cleaned_data[name] for name in names if name in self.fields}

    def recipients(self, actor: User) -> list[str]:
        if "addresses" not in self.fields:
            name = actor.domain.name if actor.domain else ""
            return [f"{actor.local_part}@{name}"]
        return [line for line in self.cleaned_data["addresses"].splitlines() if line.strip()]


class NewScheduleForm(ScheduleForm):
    """Besides: which report, and of which domain or user. Without an actor: all fields."""

    def __init__(self, actor: User | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(actor, *args, **kwargs)
        self.actor = actor
        fields = dict(self.fields)
        self.fields.clear()
        choices = [(kind.value, kind.label) for kind in (asking.open_to(actor) if actor else Kind)]
        self.add("kind", forms.ChoiceField(label="Report", choices=choices,
                                           help_text="What is reported."))  # fmt: skip
        has_own = actor is not None and actor.domain is not None
        if not has_own:
            self.add("domain", _domain())
        if actor is None or actor.role != Role.USER:
            self.add("account", _account(is_optional=has_own))
        self.fields.update(fields)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        scope = kinds.scope_of(Kind(data["kind"])) if "kind" in data else Scope.SYSTEM
        is_own = self.actor is not None and self.actor.domain is not None
        for wanted, name in ((Scope.DOMAIN, "domain"), (Scope.USER, "account")):
            if scope is wanted and not is_own and not data.get(name):
                self.add_error(name, "This report needs it.")
        return data


def _domain() -> forms.Field:
    return forms.CharField(
        label="Domain", required=False, max_length=253,
        widget=forms.TextInput(attrs={"autocapitalize": "none"}),
        help_text="For reports of a domain: its name.",
    )  # fmt: skip


def _account(*, is_optional: bool) -> forms.Field:
    return forms.CharField(
        label="User", required=False, max_length=330,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "inputmode": "email"}),
        help_text="For reports of a user: the e-mail address"
        + ("; yours if it is empty." if is_optional else "."),
    )  # fmt: skip


def _paused() -> forms.Field:
    return forms.BooleanField(
        label="Paused", required=False, help_text="Nothing is sent until it goes on."
    )


def _values_of(row: Schedule) -> Mapping[str, Any]:
    names = ("rhythm", "hour", "days", "inactive", "is_paused", "version")
    values = {name: getattr(row, name) for name in names}
    return values | {"addresses": "\n".join(row.addresses)}
