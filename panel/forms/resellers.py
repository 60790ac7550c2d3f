"""The forms of resellers and of plans."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts import plans
from accounts.models import Plan, Status, User
from accounts.settings import LONGEST_PASSWORD
from domains.models import DomainFeatures
from domains.values import settable_fields
from panel.forms import words
from panel.forms.base import PanelForm, of_model, values_of
from panel.forms.tabbed import FormTab, TabbedForm

FEATURES = settable_fields(DomainFeatures)
CAPS = tuple(name for name in plans.FIELDS if name != "withheld_features")
CAPS_INTRO = (
    "0 means no cap. Caps win over the limits of a domain; one below what is in use stops growth."
)
FEATURES_INTRO = "What is marked cannot be switched on for a domain of a reseller on this plan."


class ResellerForm(PanelForm):
    """`user` None: a new one."""

    help_page = "resellers"

    def __init__(
        self, user: User | None, choices: list[str], data: Any, *, plan_name: str = ""
    ) -> None:
        names = ("full_name", "status")
        super().__init__(data, initial={**values_of(user or User(), names), "plan": plan_name})
        if user is None:
            self.add("username", forms.CharField(
                label="Name to log in with",
                max_length=64,
                widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
            ))  # fmt: skip
        self.add("full_name", forms.CharField(max_length=200, required=False))
        none = ("", "None: no caps")
        self.add("plan", forms.ChoiceField(
            choices=[none, *((name, name) for name in choices)], required=False,
        ))  # fmt: skip
        self.add("password", forms.CharField(
            max_length=LONGEST_PASSWORD,
            strip=False,
            required=user is None,
            help_text="" if user is None else "Empty: it stays. A new one ends all sessions.",
            widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        ))  # fmt: skip
        if user is not None:
            # Without a mailbox there is nothing to receive.
            states = (Status.ENABLED, Status.DISABLED)
            choices_of_status = [(state.value, str(state.label)) for state in states]
            self.add("status", forms.ChoiceField(choices=choices_of_status))

    def values(self) -> dict[str, Any]:
        changed = self.changed_values()
        return {name: changed[name] for name in ("full_name", "status") if name in changed}


class OwnerForm(PanelForm):
    """Whom a domain belongs to."""

    help_page = "resellers"

    def __init__(self, resellers: list[User], data: Any, *, current: str) -> None:
        super().__init__(data, initial={"reseller": current})
        people = [(one.local_part, _label(one)) for one in resellers]
        self.add("reseller", forms.ChoiceField(
            label="Belongs to", choices=[("", "The provider"), *people], required=False,
        ))  # fmt: skip


def _label(user: User) -> str:
    return f"{user.local_part} ({user.full_name})" if user.full_name else user.local_part


def caps_form() -> type[PanelForm]:
    return type("CapsForm", (PanelForm,), {**of_model(Plan, CAPS), "help_page": "resellers"})


def plan_tabs(plan: Plan | None, data: Any) -> TabbedForm:
    """`plan` None: a new one."""
    row = plan or Plan()
    caps = caps_form()
    switches = {
        name: forms.BooleanField(required=False, label=words.label(name)) for name in FEATURES
    }
    features = type("WithheldForm", (PanelForm,), dict(switches))
    withheld = {name: name in row.withheld_features for name in FEATURES}
    return TabbedForm(
        [
            FormTab("caps", "Caps", caps(data, prefix="caps", initial=values_of(row, CAPS)),
                    intro=CAPS_INTRO),
            FormTab("features", "Withheld features",
                    features(data, prefix="features", initial=withheld), intro=FEATURES_INTRO),
        ]
    )  # fmt: skip


def plan_values(tabbed: TabbedForm) -> dict[str, Any]:
    """Everything that the page says of a plan."""
    withheld = [name for name, is_on in tabbed.form("features").cleaned_data.items() if is_on]
    return {**tabbed.form("caps").cleaned_data, "withheld_features": withheld}
