"""The settings of the whole server, one form for each row that has them (X-033)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django import forms

from domains.models import DomainFeatures
from domains.singlerow import ALL
from domains.values import settable_fields
from logbook.kinds import TITLES, Kind
from operations.logs import NEVER_OFF
from panel.forms.base import PanelForm, of_model, values_of
from panel.forms.tabbed import FormTab, TabbedForm
from panel.forms.words import label

TABS = {
    "listeners": "Listeners",
    "spool": "Spool",
    "login": "Accounts",
    "deletion": "Deletion",
    "caps": "Caps",
    "names": "Domain aliases",
    "acme": "Certificates",
    "logs": "Logs",
    "resolver": "Name servers",
    "transport": "Encryption",
    "retrieval": "Fetched mail",
}
INTROS = {
    "listeners": "Limits of sessions and what the server demands of senders; they act at once, in "
    "open sessions too. 0 means no limit.",
    "spool": "How mail is delivered, tried again and given up.",
    "login": "How people log in and what their passwords must be like; open sessions stay.",
    "deletion": "What becomes of users and domains that are deleted.",
    "caps": "What all domains of this server may have together. 0 means no cap; one below what is "
    "in use stops growth. What is withheld is off in every domain as long as it stands here; "
    "switches and data stay as they are.",
    "names": "Whether customers prove that a further name is theirs before it works.",
    "acme": "How certificates are ordered and renewed by themselves (ACME).",
    "logs": "What is written to the logs and how long it is kept.",
    "resolver": "The name servers that are asked; empty means those of the operating system.",
    "transport": "What other domains may demand of connections to them, and what they are told.",
    "retrieval": "How mail is fetched from users' accounts on other servers.",
}
HELP = {
    "listeners": {
        "message_size_mb": "The largest message anybody may hand in; domains can have a lower one.",
        "sessions_per_protocol": "Open at the same time, for each of SMTP, IMAP, POP and LDAP.",
        "sessions_per_address": "From one client address; this machine itself is not counted.",
        "sessions_per_user": "Of one logged-in user, over all protocols.",
        "bad_commands": "After so many mistakes a session is closed.",
        "smtp_idle_seconds": "A silent SMTP session is closed then; at least 10.",
        "imap_idle_seconds": "A silent IMAP session is closed then; at least 1800.",
        "pop_idle_seconds": "A silent POP session is closed then; at least 600.",
        "ldap_idle_seconds": "A silent LDAP session is closed then; at least 10.",
        "disabled_domain_is_temporary": "Mail for a disabled domain is refused with 450, so that "
        "other servers try again, rather than with 550.",
        "over_quota_is_permanent": "Mail for a full mailbox is refused with 552, which returns to "
        "its sender, rather than with 452.",
        "check_sender_identity": "Users may send as their own addresses only.",
        "check_author_identity": "The same for the From line that readers see.",
        "hide_submitter_address": "Leave the address of the sending program out of the header.",
    },
    "spool": {
        "maximum_local_deliveries": "At the same time, to mailboxes of this server.",
        "maximum_remote_deliveries": "At the same time, to other servers.",
        "connections_per_destination": "At the same time, to one other server.",
        "recipients_per_transaction": "In one go, to one other server.",
        "subspools": "Folders among which waiting messages are spread: 0 to 100.",
        "oldest_share_percent": "Of the places for deliveries, kept for the oldest mail whatever "
        "its priority; 0: none.",
        "retry_minutes": "Minutes between tries, separated by commas; the last one repeats.",
        "patience_days": "After so many days undelivered mail goes back to its sender: 1 to 14.",
        "null_sender_patience_days": "The same for reports, which have no sender.",
        "delay_notice_hours": "When a sender is told that mail is still waiting; 0: never.",
        "delivery_delay_seconds": "Each message rests so long before its first try.",
        "maximum_hops": "Mail that passed more servers than this runs in a circle and is refused.",
        "free_space_floor_mb": "With less free disk space no new mail is accepted, and exports and "
        "moves of folders stop.",
        "free_space_floor_percent": "The same, as a share of the disk; the smaller one counts.",
        "double_bounces": "What becomes of a report that cannot be delivered.",
        "postmaster": "Gets such reports; empty: they are dropped.",
        "quarantine_days": "What is put in quarantine now stays there so long, unless somebody "
        "releases it, and is then removed: 1 to 30.",
        "quarantines_spam": "What users and relay networks hand in with X-Spam-Flag: YES or "
        "X-Spam-Status: Yes, as a scanner in front marks it.",
        "trace_retention_days": "How long the trace of delivered messages is kept.",
        "ledger_retention_days": "How long the ledger keeps its hours, and reports of traffic "
        "reach back: 31 to 36,500. What is older stays as one sum of each domain.",
    },
    "login": {
        "clear_text_login": "Where a password may cross the network unencrypted.",
        "cram_md5": "Offer CRAM-MD5 and keep what it needs, encrypted with the server's key.",
        "minimum_password_length": "Holds for new passwords.",
        "refuse_common_passwords": "Refuse passwords from the list of the most common ones.",
    },
    "acme": {
        "is_enabled": "Order and renew certificates for the hosts on the certificates page.",
        "agrees_to_terms": "The terms of the certificate authority are read and agreed to.",
        "directory_url": "The address of the authority's ACME directory.",
        "contact": "An address that the authority may write to.",
    },
    "logs": {
        "detailed": "Logs that have every command as well.",
        "switched_off": "Logs that are not written; all others have their normal lines.",
        "keep_days": "Then a day's log is deleted; 0: never.",
        "compress": "Compress logs after a day.",
        "syslog": "Send each line to the system's log, too.",
    },
    "deletion": {
        "recycle_days": "Days for which they can be restored, with their mail; 0: they go at once.",
    },
    "resolver": {
        "primary": "An IP address, or address:port; empty: those of the operating system.",
        "secondary": "Asked when the first one does not answer.",
    },
}  # fmt: skip
LABELS = {
    "message_size_mb": "Largest message",
    "bad_commands": "Mistakes in a session",
    "login.cram_md5": "CRAM-MD5",
    "acme.is_enabled": "Order certificates",
    "acme.agrees_to_terms": "Agree to the terms",
    "acme.directory_url": "ACME directory",
    "retry_minutes": "Waits between tries",
    "maximum_hops": "Most hops",
    "quarantine_days": "Days in quarantine",
    "quarantines_spam": "Quarantine outgoing mail that is marked as spam",
    "free_space_floor_mb": "Least free space",
    "free_space_floor_percent": "Least free share",
    "oldest_share_percent": "Share of the oldest mail",
    "detailed": "Detailed logs",
    "switched_off": "Logs switched off",
    "keep_days": "Keep logs",
    "syslog": "System log",
    "resolver.primary": "First name server",
    "caps.domains": "Most domains",
    "caps.users": "Most users",
    "caps.disk_space_mb": "Most disk space",
    "caps.mailing_lists": "Most mailing lists",
    "use_mta_sts": "MTA-STS",
    "use_dane": "DANE",
    "send_reports": "Reports on TLS",
    "report_contact": "Contact of the reports",
    "resolver.secondary": "Second name server",
    "retrieval.parallel_accounts": "Accounts at the same time",
    "retrieval.allowed_networks": "Private networks",
    "retrieval.reply_seconds": "Wait for an answer",
    "retrieval.session_minutes": "Longest visit",
}


class NumbersField(forms.CharField):
    """A list of whole numbers, written with commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
            raise forms.ValidationError("Enter whole numbers, separated by commas.")
        return [int(part) for part in parts]


class WordsField(forms.CharField):
    """A list of texts without spaces, written with commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> Any:
        return super().clean(value).replace(",", " ").split()


class Checkboxes(forms.CheckboxSelectMultiple):
    """Its class is that of each box, not that of the box around them."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["class"] = "checkboxes"
        return context


class SomeField(forms.MultipleChoiceField):
    """Some of several, in a settled order."""

    widget = Checkboxes

    def __init__(self, choices: Iterable[tuple[str, str]]) -> None:
        super().__init__(choices=list(choices), required=False)


def _logs(kinds: Iterable[Kind]) -> SomeField:
    return SomeField((kind.value, TITLES[kind]) for kind in kinds)


def _special(name: str, field: str) -> forms.Field | None:
    if (name, field) == ("spool", "retry_minutes"):
        return NumbersField(max_length=400)
    if (name, field) == ("retrieval", "allowed_networks"):
        return WordsField(max_length=4000, required=False)
    if (name, field) == ("logs", "detailed"):
        return _logs(Kind)
    if (name, field) == ("logs", "switched_off"):
        return _logs(kind for kind in Kind if kind not in NEVER_OFF)
    if (name, field) == ("caps", "withheld_features"):
        return SomeField((one, label(one)) for one in settable_fields(DomainFeatures))
    return None


@lru_cache(maxsize=16)
def form_of(name: str) -> type[PanelForm]:
    """The form of one row of settings."""
    model = ALL[name].model
    fields: dict[str, forms.Field] = {}
    for field, made in of_model(model, settable_fields(model)).items():
        chosen = _special(name, field) or made
        chosen.initial = made.initial
        chosen.label = LABELS.get(f"{name}.{field}") or LABELS.get(field) or made.label
        chosen.help_text = HELP.get(name, {}).get(field, made.help_text)
        fields[field] = chosen
    return type(f"{model.__name__}Form", (PanelForm,), {**fields, "help_page": f"settings.{name}"})


def for_settings(data: Any, *, version: int) -> TabbedForm:
    """All rows behind one Save."""
    tabs = []
    for name, title in TABS.items():
        row = ALL[name].load()
        initial = values_of(row, settable_fields(ALL[name].model))
        form = form_of(name)(data, prefix=name, initial=initial)
        tabs.append(FormTab(name, title, form, intro=INTROS[name]))
    return TabbedForm(tabs, version=version)
