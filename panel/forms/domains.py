"""One form for each tab of a domain; the same for creating and editing it (D-021, D-029)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from django import forms
from django.db import models

from accounts import administrators, services
from accounts.models import User
from accounts.permissions import Verb
from accounts.services import NewUser
from accounts.settings import CAPS, LONGEST_PASSWORD
from domains import defaults, ownaddresses, switches
from domains.models import TABS, Domain
from domains.values import settable_fields
from events.types import Category, of_category
from operations.addresses import own_addresses
from panel.forms.base import Cell, PanelForm, of_model, values_of
from panel.forms.tabbed import FormTab, TabbedForm

OPTIONS = ("listen_ip", "list_command_address", "is_disabled")
LABELS = {"event_restrictions": "Event restrictions"}
TEMPLATES = {
    "event_restrictions": "panel/domains/event_restrictions.html",
    "technical": "panel/domains/technical.html",
}
INTROS = {
    "technical": "Ports other than the standard ones are for sites behind a firewall that needs "
    "them: other servers deliver to port 25 only.",
    "features": "What is switched off disappears for the domain's people; their data stays and "
    "comes back when it is switched on again.",
    "limits": "0 means no limit. A limit below what is in use stops growth; nothing is deleted.",
    "sharing": "What the domain's users may share with each other.",
    "priority": "Mail to other servers leaves in the order of its priority, 10 first, 1 last.",
    "throttling": "What the domain may send in an hour. What is beyond waits; nothing is lost.",
    "event_restrictions": "Events for which the domain's administrators and users may have rules. "
    "What is switched off is not offered to them, and rules that they have for it sleep. The "
    "provider's own rules are not restricted.",
}
TAB_VERBS = {
    "technical": Verb.CHANGE_TECHNICAL,
    "features": Verb.CHANGE_FEATURES,
    "limits": Verb.CHANGE_LIMITS,
    "sharing": Verb.CHANGE_SHARING,
    "priority": Verb.CHANGE_PRIORITY,
    "throttling": Verb.CHANGE_THROTTLING,
    "event_restrictions": Verb.CHANGE_EVENT_RESTRICTIONS,
}


class ListenField(forms.ChoiceField):
    """One of this machine's addresses, or all of them (D-033)."""

    def __init__(self, current: str | None) -> None:
        here = own_addresses() - {"0.0.0.0", "::"}  # noqa: S104 (compared, not bound)
        choices = [(one, one) for one in sorted(here)]
        if current and current not in here:
            is_here = ownaddresses.is_here(current)
            choices.append((current, current if is_here else f"{current} (not on this machine)"))
        super().__init__(
            choices=[("", "All addresses"), *choices],
            required=False,
            label="IP address",
            help_text="Where the domain accepts SMTP, POP and IMAP; an MX should point to it.",
        )

    def clean(self, value: Any) -> Any:
        return super().clean(value) or None


def _administrator_fields(is_required: bool) -> dict[str, forms.Field]:
    return {
        "username": forms.CharField(
            label="Administrator's user name",
            max_length=64,
            required=is_required,
            help_text="The part before the @. This person adds and removes the mailboxes.",
            widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
        ),
        "password": forms.CharField(
            label="Administrator's password",
            max_length=LONGEST_PASSWORD,
            strip=False,
            required=is_required,
            widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        ),
        "full_name": forms.CharField(
            label="Administrator's full name", max_length=200, required=False
        ),
    }


class NewOptionsForm(PanelForm):
    """D-032…D-040: a domain cannot be without an administrator.

    `offers_folder`: who fills it in may say where the domain lies (D-034). What another one sends
    all the same reaches the service, which refuses it.
    """

    help_page = "domains.options"
    name = forms.CharField(
        label="Domain name",
        max_length=253,
        help_text="As it is registered in the DNS, such as example.com.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, offers_folder: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, forms.Field] = {
            **_administrator_fields(is_required=True),
            "listen_ip": ListenField(self.initial.get("listen_ip")),
            **of_model(Domain, OPTIONS[1:]),
        }
        if offers_folder or self.data.get(self.add_prefix("folder_path")):
            fields["folder_path"] = forms.CharField(
                label="Folder",
                max_length=1024,
                required=False,
                help_text="For system administrators: absolute, and of no other use; empty: below "
                "the data folder.",
            )
        for name, field in fields.items():
            self.add(name, field)

    def new_user(self) -> NewUser:
        """The administrator to be. Slow. Raises PasswordRefused."""
        return _new_user(self.cleaned_data)


class EditOptionsForm(PanelForm):
    """The name changes by renaming alone (D-031); the administrator by choice (D-041, D-042)."""

    help_page = "domains.options"

    def __init__(self, domain: Domain, *args: Any, **kwargs: Any) -> None:
        self.domain = domain
        self.primary = administrators.primary(domain)
        initial = {
            **values_of(domain, OPTIONS),
            "who": "existing",
            "administrator": self.primary.local_part if self.primary else "",
        }
        super().__init__(*args, initial=initial, **kwargs)
        fields: dict[str, forms.Field] = {
            "listen_ip": ListenField(domain.listen_ip),
            **of_model(Domain, OPTIONS[1:]),
            "who": forms.ChoiceField(
                label="Primary administrator",
                choices=[("existing", "A user of the domain"), ("new", "A new user")],
                widget=forms.RadioSelect,
            ),
            "administrator": forms.CharField(
                label="User name",
                max_length=64,
                required=False,
                help_text="Becomes administrator; the former one stays one, too.",
                widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
            ),
            **_administrator_fields(is_required=False),
        }
        for name, field in fields.items():
            self.add(name, field)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("who") == "new":
            for name in ("username", "password"):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, "A new user needs this.")
        elif not data.get("administrator") and "administrator" in self.changed_data:
            self.add_error("administrator", "Every domain has an administrator.")
        return data

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in self.changed_values().items() if name in OPTIONS}

    def administrator(self) -> str | None:
        """The user who shall become primary; None: it stays who it is."""
        is_other = self.cleaned_data["who"] == "existing" and "administrator" in self.changed_data
        return self.cleaned_data["administrator"].strip().lower() if is_other else None

    def new_administrator(self) -> NewUser | None:
        """Slow. Raises PasswordRefused."""
        return _new_user(self.cleaned_data) if self.cleaned_data["who"] == "new" else None


def _new_user(data: dict[str, Any]) -> NewUser:
    return NewUser(
        username=data["username"],
        verifiers=services.new_verifiers(data["password"], data["username"]),
        values={"full_name": data["full_name"]},
    )


class EventRestrictionsForm(PanelForm):
    """One switch for each type of event, in groups (E-001)."""

    def categories(self) -> Iterator[tuple[str, list[Cell]]]:
        cells = {cell.field.name: cell for cell in self.switches()}
        for category in Category:
            yield category.value, [cells[one.name] for one in of_category(category)]


@lru_cache(maxsize=len(TABS))
def tab_form(tab: str) -> type[PanelForm]:
    """The form of a tab, from the columns of its model."""
    model: type[models.Model] = TABS[tab]
    fields = of_model(model, settable_fields(model))
    kind = EventRestrictionsForm if tab == "event_restrictions" else PanelForm
    return type(f"{model.__name__}Form", (kind,), {**fields, "help_page": f"domains.{tab}"})


def for_new(
    data: Any,
    *,
    only: Collection[str] = tuple(TABS),
    withheld: Collection[str] = (),
    offers_folder: bool = True,
) -> TabbedForm:
    """`only`: the tabs besides the options; what the others hold is the default (D-027).

    `withheld`: features that the plan has not; they are shown, and cannot be ticked (X-010).
    `offers_folder`: as NewOptionsForm says.
    """
    begins_with = defaults.current()
    options = NewOptionsForm(
        data, prefix="options", initial=begins_with["options"], offers_folder=offers_folder
    )
    tabs = [FormTab("options", "Options", options)]
    for tab in TABS:
        if tab in only:
            tabs.append(tab_of(tab, data, begins_with[tab]))
            if tab == "features":
                _withhold(tabs[-1].form, withheld, "Your plan does not have it.")
    return TabbedForm(tabs)


def _withhold(form: PanelForm, features: Collection[str], otherwise: str) -> None:
    """Shown as off, and never among what has changed: the switches stay as they are."""
    form.initial = {**form.initial, **dict.fromkeys(features, False)}
    for name in features:
        field = form.fields[name]
        field.disabled = True  # what is sent for it all the same is not looked at
        nowhere = name in CAPS.load().withheld_features
        reason = "This server does not offer it." if nowhere else otherwise
        field.help_text = f"{field.help_text} {reason}"


def for_editing(domain: Domain, data: Any, *, by: User, version: int) -> TabbedForm:
    """All tabs: who may open the page may change each of them."""
    form = EditOptionsForm(domain, data, prefix="options")
    tabs = [FormTab("options", "Options", form, "panel/domains/options.html")]
    for tab, model in TABS.items():
        row = getattr(domain, model._meta.model_name or "")
        tabs.append(tab_of(tab, data, values_of(row, settable_fields(model))))
        if tab == "features":
            reason = "Off as long as the plan of its reseller does not have it."
            _withhold(tabs[-1].form, switches.withheld(domain.pk), reason)
    return TabbedForm(tabs, version=version)


def tab_of(tab: str, data: Any, initial: Any) -> FormTab:
    """One tab; `initial` are the values of its row."""
    form = tab_form(tab)(data, prefix=tab, initial=initial)
    template = TEMPLATES.get(tab, "panel/forms/fields.html")
    return FormTab(tab, LABELS.get(tab, tab.capitalize()), form, template, INTROS[tab])
