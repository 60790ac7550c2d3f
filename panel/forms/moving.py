"""The form by which the folder of a domain goes to another place (D-034)."""

from __future__ import annotations

from django import forms

from panel.forms.base import PanelForm


class MoveForm(PanelForm):
    help_page = "moving"
    folder_path = forms.CharField(
        label="New folder",
        max_length=1024,
        required=False,
        help_text="Absolute, and of no other use; empty: below the data folder.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
