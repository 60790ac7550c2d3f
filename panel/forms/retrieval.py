"""An account on another server: where it is, and what becomes of its mail (N-060, N-061)."""

from __future__ import annotations

from typing import Any

from django import forms

from panel.forms.base import PanelForm, of_model, values_of
from retrieval.models import Kind, RetrievalAccount
from retrieval.services import FIELDS, PASSWORD_CHARACTERS

LABELS = {
    "host": "Server",
    "username": "Name for logging in",
    "security": "Encryption",
    "verify_certificate": "Check the certificate",
    "afterwards": "On the other server",
    "delete_after_days": "Delete after",
    "target_folder": "Folder here",
    "all_folders": "All folders",
    "interval_minutes": "Every",
    "is_enabled": "Fetch mail",
}
PLAIN = {"autocapitalize": "none", "spellcheck": "false"}


class RetrievalForm(PanelForm):
    """What can be changed later, too. Without a row: all there is, for the help."""

    help_page = "retrieval"

    def __init__(self, *args: Any, row: RetrievalAccount | None = None, **kwargs: Any) -> None:
        if row is not None:
            kwargs["initial"] = {**values_of(row, FIELDS), "version": row.version}
        super().__init__(*args, **kwargs)
        for name, field in of_model(RetrievalAccount, FIELDS).items():
            field.label = LABELS.get(name, field.label)
            self.add(name, field)
            if name == "username":
                self.add("password", _password(is_new=row is None))
        self.fields["host"].widget.attrs.update(PLAIN | {"inputmode": "url"})
        self.fields["username"].widget.attrs.update(PLAIN | {"autocomplete": "off"})
        self.add("version", forms.IntegerField(required=False, widget=forms.HiddenInput))
        if row is not None and row.kind == Kind.POP3:
            del self.fields["all_folders"]

    def values(self) -> dict[str, Any]:
        """For `retrieval.services`."""
        return {name: self.cleaned_data[name] for name in FIELDS if name in self.cleaned_data}

    def password(self) -> str | None:
        """None: it stays."""
        return self.cleaned_data["password"] or None


class NewRetrievalForm(RetrievalForm):
    """Besides: by which protocol; the port may be left to it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields = dict(self.fields)
        self.fields.clear()
        self.add(
            "kind",
            forms.ChoiceField(
                label="Protocol", choices=Kind.choices, initial=Kind.IMAP,
                help_text="IMAP also brings what was read and flagged, and other folders.",
            ),
        )  # fmt: skip
        self.fields.update(fields)
        self.fields["port"].required = False
        self.fields["port"].initial = None
        self.fields["port"].help_text = "Empty: the usual one of the protocol and its encryption."

    def values(self) -> dict[str, Any]:
        found = super().values()
        if found.get("port") is None:
            found.pop("port", None)
        if self.cleaned_data.get("kind") == Kind.POP3:
            found.pop("all_folders", None)
        return found


def _password(*, is_new: bool) -> forms.Field:
    hint = "Of the account there. It is kept encrypted and never shown."
    if not is_new:
        hint = (
            "Empty: it stays. It has to be entered again when the server, the name or the "
            "encryption changes."
        )
    return forms.CharField(
        label="Password", required=is_new, max_length=PASSWORD_CHARACTERS, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), help_text=hint,
    )  # fmt: skip
