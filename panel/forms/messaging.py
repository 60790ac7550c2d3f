"""What is written to many users: mail (B-002…B-012) and reminders (B-013…B-017)."""

from __future__ import annotations

from typing import Any

from django import forms

from messaging.models import Audience
from messaging.services import LONGEST_TEXT
from panel.forms.base import PanelForm


class AudienceForm(PanelForm):
    """To whom. The domain and the address are asked for with the choices that need them."""

    help_page = "messaging"
    audience = forms.ChoiceField(
        label="To", choices=Audience.choices, widget=forms.RadioSelect, initial=Audience.ALL
    )
    domain = forms.CharField(
        label="Domain",
        max_length=253,
        required=False,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "list": "domains"}),
    )
    address = forms.CharField(
        label="User's e-mail address",
        max_length=330,
        required=False,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "inputmode": "email"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for audience, field in ((Audience.DOMAIN, "domain"), (Audience.USER, "address")):
            if data.get("audience") == audience and not data.get(field):
                self.add_error(field, "This choice needs it.")
        if "text" in data and not data["text"].strip():
            self.add_error("text", "This field is required.")
        return data

    @property
    def of(self) -> str:
        """The domain or the address, as the choice needs it."""
        data = self.cleaned_data
        if data["audience"] == Audience.DOMAIN:
            return str(data["domain"])
        return str(data["address"]) if data["audience"] == Audience.USER else ""


class MailForm(AudienceForm):
    author_name = forms.CharField(
        label="From", max_length=100, initial="System Administrator",
        help_text="The name that recipients see; the address is the server's own.",
    )  # fmt: skip
    reply_to = forms.CharField(
        label="Replies to", max_length=320, required=False,
        help_text="An address for answers; empty: nobody reads them.",
    )  # fmt: skip
    subject = forms.CharField(label="Subject", max_length=200)
    text = forms.CharField(
        label="Message",
        max_length=LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="{name}, {address} and {domain} become those of the recipient.",
    )
    is_html = forms.BooleanField(
        label="The message is HTML",
        required=False,
        help_text="A text part is made from it for programs that show none.",
    )

    def values(self) -> dict[str, Any]:
        """For `messaging.services.send_mail`."""
        names = ("audience", "author_name", "reply_to", "subject", "text", "is_html")
        return {"of": self.of, **{name: self.cleaned_data[name] for name in names}}


class ReminderForm(AudienceForm):
    subject = forms.CharField(label="Subject", max_length=200)
    text = forms.CharField(
        label="Message",
        max_length=LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="Plain text; addresses of pages become links.",
    )
    also_by_mail = forms.BooleanField(
        label="Write to those who cannot log in to the web",
        required=False,
        help_text="They are listed in the result in any case.",
    )

    def values(self) -> dict[str, Any]:
        """For `messaging.services.send_reminder`."""
        names = ("audience", "subject", "text", "also_by_mail")
        return {"of": self.of, **{name: self.cleaned_data[name] for name in names}}
