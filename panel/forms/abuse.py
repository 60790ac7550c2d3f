"""Forms about who is kept out: rules, blocks, blacklist and whitelist."""

from __future__ import annotations

from typing import Any

from django import forms

from operations import listing, rules
from operations.models import AbuseRule, Action, Kind
from panel.forms.base import PanelForm
from panel.forms.settings import Checkboxes

DAY_MINUTES = 24 * 60
LONGEST_MINUTES = 365 * DAY_MINUTES
LARGEST_FILE_BYTES = listing.LONGEST_FILE_CHARACTERS
SERVICE_LABELS = {"smtp": "SMTP", "pop": "POP", "imap": "IMAP", "ldap": "LDAP", "web": "Web"}


class RuleForm(PanelForm):
    """Times are entered in minutes and kept in seconds."""

    help_page = "abuse-rules"

    kind = forms.ChoiceField(choices=Kind.choices, label="What is counted")
    service = forms.ChoiceField(
        choices=[("", "All together"), *((one, SERVICE_LABELS[one]) for one in rules.SERVICES)],
        required=False,
        label="Service",
    )
    threshold = forms.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        label="Let pass",
        help_text="So many within the time; one more, and the action follows.",
    )
    window_minutes = forms.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, label="Within", help_text="The time that counts."
    )
    block_minutes = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_MINUTES,
        label="Block for",
        help_text="How long the party is kept out.",
    )
    action = forms.ChoiceField(
        choices=Action.choices,
        help_text="An address can only be blocked; what is possible with a user of this server "
        "is the rest.",
    )
    description = forms.CharField(max_length=200, required=False)
    is_enabled = forms.BooleanField(required=False, label="Enabled")

    @classmethod
    def initial_of(cls, rule: AbuseRule | None) -> dict[str, Any]:
        if rule is None:
            return {"is_enabled": True, "window_minutes": 5, "block_minutes": 5}
        values = {name: getattr(rule, name) for name in rules.FIELDS}
        for name in ("window", "block"):
            values[f"{name}_minutes"] = -(-values.pop(f"{name}_seconds") // rules.MINUTE)
        return values

    def values(self, rule: AbuseRule | None) -> dict[str, Any]:
        """For the service: of a rule that is there only what was changed."""
        names = set(self.changed_data) if rule is not None else set(self.fields)
        data = {name: value for name, value in self.cleaned_data.items() if name in names}
        for name in ("window", "block"):
            if f"{name}_minutes" in data:
                data[f"{name}_seconds"] = data.pop(f"{name}_minutes") * rules.MINUTE
        return data


class BlockForm(PanelForm):
    help_page = "blocks"

    network = forms.CharField(
        max_length=60, label="Address or network", help_text="Such as 192.0.2.7 or 192.0.2.0/24."
    )
    service = forms.ChoiceField(
        choices=[("", "All services"), *SERVICE_LABELS.items()], required=False, label="Service"
    )
    minutes = forms.IntegerField(
        min_value=1, max_value=LONGEST_MINUTES, initial=60, label="For how many minutes"
    )
    note = forms.CharField(max_length=200, required=False)


class EntryForm(PanelForm):
    """One entry of blacklist or whitelist. The network of one that is there stays."""

    network = forms.CharField(
        max_length=60, label="Address or network", help_text="Such as 192.0.2.7 or 192.0.2.0/24."
    )
    services = forms.MultipleChoiceField(
        choices=tuple(SERVICE_LABELS.items()),
        required=False,
        widget=Checkboxes,
        help_text="None checked means all of them.",
    )
    note = forms.CharField(
        max_length=200, required=False, help_text="Why, for whoever finds the entry later."
    )
    skips_greylisting = forms.BooleanField(
        required=False, label="Skip greylisting", help_text="Let in without greylisting, too."
    )

    def __init__(
        self, *args: Any, is_trusted: bool, is_new: bool, help_page: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.help_page = help_page
        if not is_trusted:
            del self.fields["skips_greylisting"]
        if not is_new:
            del self.fields["network"]


class ImportForm(PanelForm):
    file = forms.FileField(
        label="CSV file",
        help_text="Lines of network,services,note; several services apart by blanks. What is "
        "listed already stays as it is.",
    )

    def text(self) -> str:
        """Raises UnicodeDecodeError."""
        content: bytes = self.cleaned_data["file"].read()
        return content.decode("utf-8-sig")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE_BYTES:
            raise forms.ValidationError("The file is larger than 32 MB.")
        return file
