"""One form for each tab of a user; the same for a new one and one that is there (U-010…U-023)."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache
from typing import Any

from django import forms
from django.conf import settings

from accounts import permissions, services
from accounts.models import Role, User
from accounts.passwords import Verifiers
from accounts.permissions import Verb
from accounts.settings import LONGEST_PASSWORD
from domains.models import Domain
from panel.forms.base import PanelForm, of_model, values_of
from panel.forms.forwarding import ForwardingForm
from panel.forms.tabbed import FormTab, TabbedForm

MAILBOX = (
    "mailbox_size_mb",
    "status",
    "plus_addressing",
    "hide_from_address_list",
    "disable_greylisting",
)
LABELS = {
    "mailbox_size_mb": "Mailbox size",
    "hide_from_address_list": "Hide from the address list",
    "disable_greylisting": "No greylisting",
    "plus_addressing": "Plus addressing",
    "pop_access": "POP",
    "imap_access": "IMAP",
    "smtp_access": "SMTP (sending)",
    "webmail_access": "Webmail",
}
HELP = {
    "mailbox_size_mb": "0 means that only the domain's disk space is a limit.",
    "status": "Disabled: no log-in, and mail is refused. Disabled, but receiving: mail is kept.",
    "disable_greylisting": "Mail of strangers is not delayed to find out whether they try again.",
    "pop_access": "Fetch mail with POP3.",
    "imap_access": "Read mail with IMAP.",
    "smtp_access": "Send with a mail program; receiving is not affected.",
    "webmail_access": "Log in on the web, synchronise calendars and contacts, and search the "
    "address book (LDAP).",
}
CONTACT_INTRO = "What others of the domain find in the address list, besides name and address."
FORWARDING_INTRO = "A copy of all mail that comes goes to other addresses."
ACCESS_INTRO = "Open sessions of a service that is switched off end at once."
SENDING_INTRO = (
    "What the user may send in an hour, besides the domain's own allowance. "
    "What is beyond waits; nothing is lost. 0 means no limit."
)


@lru_cache(maxsize=1)
def time_zones() -> tuple[tuple[str, str], ...]:
    """Places, and UTC; not the old names that stand for them."""
    names = {name for name in zoneinfo.available_timezones() if "/" in name}
    kept = sorted(name for name in names if not name.startswith(("Etc/", "SystemV/", "US/")))
    return (("UTC", "UTC"), *((name, name.replace("_", " ")) for name in kept))


class UserForm(PanelForm):
    help_page = "users"


class ProfileForm(UserForm):
    """U-011, U-012. `user` None: a new one, who needs a name and may have a password."""

    def __init__(self, user: User | None, domain: Domain, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if user is None:
            self.add("username", _username(domain))
            self.add("password", _password("Without one nobody can log in until it is set."))
        self.add("full_name", forms.CharField(max_length=200, required=False))
        self.add("reply_to", forms.CharField(max_length=320, required=False, help_text=REPLY_TO))
        self.add("time_zone", forms.ChoiceField(choices=_with(time_zones(), user, "time_zone")))
        languages = tuple(settings.LANGUAGES)
        self.add("language", forms.ChoiceField(choices=_with(languages, user, "language")))


REPLY_TO = "Where answers go if not to the address itself."


def _with(choices: Any, user: User | None, name: str) -> Any:
    """What the user has stays a choice, even if it is an unusual one."""
    current = getattr(user, name, None)
    if current is None or current in dict(choices):
        return choices
    return ((current, current), *choices)


def _username(domain: Domain) -> forms.CharField:
    return forms.CharField(
        label="User name",
        max_length=64,
        help_text=f"What stands before @{domain.unicode_name}.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


def _password(help_text: str) -> forms.CharField:
    return forms.CharField(
        label="Password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        required=False,
        help_text=help_text,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class PasswordForm(UserForm):
    """U-014."""

    password = _password("Empty: it stays as it is. A new one ends all sessions of the user.")
    must_change_password = forms.BooleanField(
        required=False, help_text="At the next log-in on the web."
    )
    password_locked = forms.BooleanField(
        required=False, label="Locked", help_text="The user cannot change it."
    )


def _mailbox_form(data: Any, initial: dict[str, Any]) -> UserForm:
    fields = {**_labelled(MAILBOX), "is_administrator": forms.BooleanField(
        required=False,
        label="Administrator of the domain",
        help_text="Adds and removes users, aliases and lists of the domain.",
    )}  # fmt: skip
    made: UserForm = type("MailboxForm", (UserForm,), fields)(
        data, prefix="mailbox", initial=initial
    )
    return made


def _labelled(names: tuple[str, ...]) -> dict[str, forms.Field]:
    fields = of_model(User, names)
    for name, field in fields.items():
        field.label = LABELS.get(name, field.label)
        field.help_text = HELP.get(name, field.help_text)
    return fields


def described() -> type[UserForm]:
    """The fields that the help explains."""
    fields = _labelled((*MAILBOX, *services.ACCESS_FIELDS, *services.THROTTLING_FIELDS))
    fields |= ForwardingForm(User()).fields
    return type("DescribedForm", (UserForm,), dict(fields))


def _plain_form(key: str, names: tuple[str, ...], data: Any, row: User) -> UserForm:
    form = type("PlainForm", (UserForm,), dict(_labelled(names)))
    made: UserForm = form(data, prefix=key, initial=values_of(row, names))
    return made


def tabs_for(actor: User, domain: Domain, user: User | None, data: Any) -> TabbedForm:
    """The tabs that the actor may change; `user` None: of a new one."""
    row = user if user is not None else User(domain=domain)
    profile = values_of(row, services.PROFILE_FIELDS)
    mailbox = {
        **values_of(row, MAILBOX),
        "is_administrator": row.role == Role.DOMAIN_ADMINISTRATOR,
    }
    tabs = [
        FormTab(
            "profile", "Profile", ProfileForm(user, domain, data, prefix="profile", initial=profile)
        ),
        FormTab("mailbox", "Mailbox", _mailbox_form(data, mailbox)),
    ]
    contact = _plain_form("contact", services.CONTACT_FIELDS, data, row)
    tabs.append(FormTab("contact", "Contact", contact, intro=CONTACT_INTRO))
    forwarding = ForwardingForm(row, data, prefix="forwarding")
    tabs.append(FormTab("forwarding", "Forwarding", forwarding, intro=FORWARDING_INTRO))
    if permissions.may(actor, Verb.CHANGE_SERVICE_ACCESS, domain):
        form = _plain_form("access", services.ACCESS_FIELDS, data, row)
        tabs.append(FormTab("access", "Service access", form, intro=ACCESS_INTRO))
    if permissions.may(actor, Verb.CHANGE_USER_THROTTLING, domain):
        form = _plain_form("sending", services.THROTTLING_FIELDS, data, row)
        tabs.append(FormTab("sending", "Sending", form, intro=SENDING_INTRO))
    if user is not None:
        names = ("must_change_password", "password_locked")
        form = PasswordForm(data, prefix="password", initial=values_of(row, names))
        tabs.append(FormTab("password", "Password", form))
    return TabbedForm(tabs, version=user.version if user is not None else None)


def read(tabbed: TabbedForm) -> dict[str, Any]:
    """All values that differ from what the page was opened with, by their own names."""
    found: dict[str, Any] = {}
    for values in tabbed.changed().values():
        found.update(values)
    return found


def verifiers_of(password: str, username: str) -> Verifiers | None:
    """Slow. None: no password was entered. Raises PasswordRefused."""
    return services.new_verifiers(password, username) if password else None
