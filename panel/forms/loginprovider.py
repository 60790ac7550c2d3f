"""What is set of the house by whose word people log in."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.loginprovider import FIELDS, LONGEST_SECRET
from accounts.models import LoginProvider
from panel.forms.base import PanelForm, dress, of_model, values_of

LABELS = {
    "is_enabled": "Offer it on the log-in page",
    "name": "Name of the provider",
    "issuer": "Issuer",
    "client_id": "Client ID",
    "trusts_second_factor": "Trust its second factor",
}
HELP = {
    "is_enabled": "Name and password go on to work beside it.",
}


class LoginProviderForm(PanelForm):
    help_page = "login-provider"

    def __init__(self, *args: Any, row: LoginProvider | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("initial", values_of(row or LoginProvider(), FIELDS))
        super().__init__(*args, **kwargs)
        for name, field in of_model(LoginProvider, FIELDS).items():
            field.label = LABELS[name]
            field.help_text = HELP.get(name, field.help_text)
            self.fields[name] = field
        has_secret = row is not None and bool(row.sealed_secret)
        self.fields["client_secret"] = forms.CharField(
            required=False,
            max_length=LONGEST_SECRET,
            strip=False,
            label="Client secret",
            widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            help_text="Leave it empty to keep the one that is set."
            if has_secret
            else "As the provider has given it; empty for a public client.",
        )
        if has_secret:
            self.fields["forget_secret"] = forms.BooleanField(
                required=False,
                label="Take the secret away",
                help_text="The server is then a public client there.",
            )
        for name, field in self.fields.items():
            dress(name, field)

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in FIELDS}

    def secret(self) -> str | None:
        """None: it stays; empty: it is taken away."""
        if self.cleaned_data.get("forget_secret"):
            return ""
        return self.cleaned_data["client_secret"] or None
