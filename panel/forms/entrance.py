"""The form by which people log in."""

from __future__ import annotations

from django import forms

from accounts.settings import LONGEST_PASSWORD
from panel.forms.base import PanelForm

LONGEST_LOGIN = 320
LONGEST_TURN = 64


class LoginForm(PanelForm):
    username = forms.CharField(
        label="Email address or administrator name",
        max_length=LONGEST_LOGIN,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autofocus": True, "autocapitalize": "none"}
        ),
    )
    password = forms.CharField(
        label="Password",
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    turn = forms.CharField(required=False, max_length=LONGEST_TURN, widget=forms.HiddenInput)
