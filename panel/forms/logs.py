"""Which log is looked at, and whose dialogue is recorded."""

from __future__ import annotations

from django import forms

from logbook.kinds import TITLES
from operations.logs import LONGEST_SEARCH
from operations.transcripts import LONGEST, STANDARD
from panel.forms.base import PanelForm

MINUTE_SECONDS = 60


class LogForm(PanelForm):
    help_page = "logs"

    date = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), label="Date")
    type = forms.ChoiceField(
        choices=[(kind.value, title) for kind, title in TITLES.items()], label="Type"
    )
    domain = forms.CharField(
        max_length=253,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "all", "autocapitalize": "none"}),
    )
    search = forms.CharField(
        max_length=LONGEST_SEARCH,
        required=False,
        label="Search string",
        help_text="All words must occur; upper and lower case are the same.",
    )
    has_related = forms.BooleanField(
        required=False,
        label="Enable related traffic",
        help_text="With everything that happened in the session of a hit.",
    )


class TranscriptForm(PanelForm):
    help_page = "transcripts"

    subject = forms.CharField(
        max_length=330,
        label="Mail address or IP address",
        help_text="Of a user, of anybody who writes or is written to, or of a client.",
    )
    minutes = forms.IntegerField(
        min_value=1,
        max_value=int(LONGEST.total_seconds()) // MINUTE_SECONDS,
        initial=int(STANDARD.total_seconds()) // MINUTE_SECONDS,
        label="For how many minutes",
        help_text="Recording then ends by itself.",
    )
