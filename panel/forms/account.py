"""Forms of a person's own pages."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings

from accounts import addresslist
from accounts.apppasswords import SCOPES
from accounts.models import User
from accounts.services import CONTACT_FIELDS, PROFILE_FIELDS
from accounts.settings import LONGEST_PASSWORD
from panel.forms.base import PanelForm, dress, of_model, values_of

SCOPE_NAMES = {
    "smtp": "Sending (SMTP)",
    "imap": "Reading (IMAP)",
    "pop": "Fetching (POP)",
    "ldap": "Address book (LDAP)",
    "dav": "Calendars and contacts (DAV)",
}


class ProfileForm(PanelForm):
    help_page = "account.profile"

    def __init__(self, user: User, data: Any = None) -> None:
        names = (*PROFILE_FIELDS, *CONTACT_FIELDS, addresslist.OWN)
        super().__init__(data, initial=values_of(user, names))
        self.fields.update(of_model(User, ("full_name", "reply_to")))
        self.fields["reply_to"].label = "Reply to"
        self.fields["reply_to"].help_text = "Empty: answers come to your own address."
        zones = sorted(available_timezones() | {user.time_zone})
        self.fields["time_zone"] = forms.ChoiceField(choices=[(zone, zone) for zone in zones])
        self.fields["language"] = forms.ChoiceField(choices=settings.LANGUAGES)
        if user.domain_id is not None:
            self.fields.update(of_model(User, CONTACT_FIELDS))
        if addresslist.may_choose(user):
            self.fields.update(of_model(User, (addresslist.OWN,)))
            self.fields[addresslist.OWN].label = "Leave me out of the address list"
            self.fields[addresslist.OWN].help_text = (
                "Others of your domain do not find you in the Global Address List; "
                "administrators still do."
            )
        for name, field in self.fields.items():
            dress(name, field)


class PasswordForm(PanelForm):
    help_page = "account.password"
    current = forms.CharField(
        label="Current password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label="New password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="New password again",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("password") != data.get("again") and "again" not in self.errors:
            self.add_error("again", "This is not the same password.")
        return data


class CodeForm(PanelForm):
    """One-time codes are digits; recovery codes have letters, too."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        help_text="Of your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code", "autofocus": True, "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )  # fmt: skip


class AppForm(PanelForm):
    """The secret travels in the session, not in the form."""

    name = forms.CharField(label="Name of the device", max_length=100, initial="Phone")
    code = forms.CharField(
        label="Code that the app shows",
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PasskeyForm(PanelForm):
    name = forms.CharField(label="Name of the passkey", max_length=100, initial="Passkey")


class AppPasswordForm(PanelForm):
    help_page = "account.app-passwords"
    name = forms.CharField(
        label="Program or device", max_length=100, help_text="Such as “Thunderbird at home”."
    )
    scopes = forms.MultipleChoiceField(
        label="Works for",
        choices=[(scope, SCOPE_NAMES[scope]) for scope in SCOPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Nothing chosen: for all of them.",
    )
