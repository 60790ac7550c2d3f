"""The form that takes a file of users."""

from __future__ import annotations

from django import forms

from accounts.userimport import Existing
from panel.forms.base import PanelForm


class UploadForm(PanelForm):
    help_page = "users"
    file = forms.FileField(
        label="CSV file",
        help_text="UTF-8, at most 2 MB and 10,000 users.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )
    existing = forms.ChoiceField(
        label="Users who are there already",
        choices=[
            (Existing.LEAVE.value, "Leave as they are"),
            (Existing.CHANGE.value, "Change to what the file says"),
        ],
        initial=Existing.LEAVE.value,
    )
