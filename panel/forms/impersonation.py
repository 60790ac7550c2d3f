"""The form by which somebody logs in as another."""

from __future__ import annotations

from django import forms

from panel.forms.base import PanelForm
from panel.forms.entrance import LONGEST_LOGIN


class ImpersonationForm(PanelForm):
    """`address` is left out where the user is settled, such as a domain's administrator."""

    help_page = "impersonation"
    address = forms.CharField(
        label="Email address",
        max_length=LONGEST_LOGIN,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
                "list": "people",
                "hx-trigger": "input changed delay:200ms",
                "hx-target": "#people",
            }
        ),
    )
    reason = forms.CharField(
        label="Reason",
        max_length=200,
        required=False,
        help_text="Stands in the audit trail, which the customer sees.",
    )
    is_read_only = forms.BooleanField(
        label="Look only",
        required=False,
        help_text="Nothing can be changed in the new window.",
    )
