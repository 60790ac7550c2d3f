"""What is looked for in the message archive (A-010…A-014), and where a message goes again."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms

from accounts.models import Role, User
from archive.engine import Criteria
from panel.forms.base import PanelForm
from units import moments

LONGEST_ADDRESS = 320
LONGEST_SUBJECT = 200


class ArchiveForm(PanelForm):
    """Asked by GET, so that a search has an address. Days are the searcher's own (A-011)."""

    help_page = "archive"

    since = forms.DateField(
        required=False,
        label="From",
        help_text="The first day, in your time zone.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    until = forms.DateField(
        required=False,
        label="To",
        help_text="The last day; it counts as well.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    sender = forms.CharField(
        required=False,
        max_length=LONGEST_ADDRESS,
        help_text="An address, a part of it, or @example.com for a domain.",
    )
    recipient = forms.CharField(
        required=False,
        max_length=LONGEST_ADDRESS,
        help_text="The same; blind copies are found, too.",
    )
    subject = forms.CharField(
        required=False, max_length=LONGEST_SUBJECT, help_text="Words that it has."
    )
    domain = forms.CharField(
        required=False,
        max_length=253,
        help_text="Of this server, also one that was deleted or renamed; empty: all.",
        widget=forms.TextInput(attrs={"autocapitalize": "none"}),
    )

    def __init__(self, actor: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor = actor
        if actor.role != Role.SYSTEM_ADMINISTRATOR:
            del self.fields["domain"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and since > until:
            self.add_error("until", "This day is before the first one.")
        return data

    def criteria(self) -> Criteria:
        given = self.cleaned_data
        until = given.get("until")
        after = until + timedelta(days=1) if until and until < date.max else None
        return Criteria(
            domain=given.get("domain", "").strip().lower(),
            since=self._midnight(given.get("since")),
            before=self._midnight(after),
            sender=given["sender"].strip(),
            recipient=given["recipient"].strip(),
            subject=given["subject"].strip(),
        )

    def _midnight(self, day: date | None) -> datetime | None:
        if day is None:
            return None
        # The first and the last year have no midnight in every time zone.
        day = min(max(day, date(1970, 1, 2)), date(9999, 12, 30))
        return datetime.combine(day, time(), moments.zone(self._actor.time_zone)).astimezone(UTC)


class AgainForm(PanelForm):
    help_page = "archive"

    address = forms.CharField(
        max_length=LONGEST_ADDRESS,
        label="Mailbox",
        help_text="A user's address on this server; the message arrives there as a new one.",
        widget=forms.TextInput(attrs={"autocapitalize": "none"}),
    )
