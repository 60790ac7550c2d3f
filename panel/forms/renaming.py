"""The form by which a domain gets another name (D-110…D-114)."""

from __future__ import annotations

from django import forms

from panel.forms.base import PanelForm


class RenameForm(PanelForm):
    help_page = "renaming"
    name = forms.CharField(
        label="New domain name",
        max_length=253,
        help_text="Fully qualified, and registered in DNS; an alias of this domain is swapped with"
        " its name.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    keeps_old = forms.BooleanField(
        label="Keep the old name as domain alias",
        required=False,
        initial=True,
        help_text="Mail and log-ins with the old name go on to work, and it can be renamed back.",
    )
