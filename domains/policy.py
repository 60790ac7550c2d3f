"""A domain's settings as the listeners and the spool see them: frozen, without the database."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

from domains import ownaddresses

MEGABYTE = 1024 * 1024
KILOBYTE = 1024

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Technical:
    smtp_port: int
    smtp_alternate_port: int
    smtp_alternate_port_enabled: bool
    pop_port: int
    imap_port: int
    ldap_port: int
    autoresponder_exclusions: str
    forwarding_exclusions: str
    require_smtp_authentication: bool
    require_smtp_authentication_for_author: bool
    accept_spf_pass_without_authentication: bool
    bypass_forward_blacklist: bool
    autoresponder_once_per_day: bool
    disable_greylisting: bool
    source_address_ipv4: str
    source_address_ipv6: str
    chosen_source_ipv4: str | None
    chosen_source_ipv6: str | None


@dataclass(frozen=True, slots=True)
class Features:
    calendar: bool
    catch_alls: bool
    contacts: bool
    content_filtering: bool
    domain_aliases: bool
    service_access_control: bool
    mail_signing: bool
    mailing_lists: bool
    pop_retrieval: bool
    imap_retrieval: bool
    spam_filtering: bool
    active_directory: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. The spool and the doors never see the 0 of the forms."""

    disk_space_bytes: int | None
    domain_aliases: int | None
    users: int | None
    user_aliases: int | None
    mailing_lists: int | None
    max_message_bytes: int | None
    recipients_per_message: int | None


@dataclass(frozen=True, slots=True)
class Priorities:
    standard: int
    standard_enabled: bool
    mailing_lists: int
    mailing_lists_enabled: bool
    over_size: int
    over_size_enabled: bool
    over_size_threshold_kb: int
    auto_responders: int
    auto_responders_enabled: bool
    bounces: int
    bounces_enabled: bool
    email_reports: int
    email_reports_enabled: bool
    event_emails: int
    event_emails_enabled: bool
    attempt_x: int
    attempt_x_enabled: bool
    attempt_x_threshold: int
    attempt_y: int
    attempt_y_enabled: bool
    attempt_y_threshold: int


@dataclass(frozen=True, slots=True)
class Throttling:
    """None: not limited, whether by the switch or by a 0."""

    outgoing_messages_per_hour: int | None
    outgoing_bytes_per_hour: int | None
    bounces_received_per_hour: int | None


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    domain_id: int
    area_id: int
    name: str  # A-label
    unicode_name: str
    aliases: tuple[str, ...]
    listen_ip: str | None  # None: every address
    list_command_address: str
    is_disabled: bool
    is_deleting: bool
    is_renaming: bool
    technical: Technical
    features: Features
    limits: Limits
    priority: Priorities
    throttling: Throttling

    @property
    def is_closed(self) -> bool:
        """Mail for it waits and nobody logs in, for now or for good (D-008, D-113)."""
        return self.is_deleting or self.is_renaming

    @property
    def bound_ip(self) -> str | None:
        """Where the domain listens; None: on every address, also while its own is gone (D-033)."""
        own = self.listen_ip
        return own if own is not None and ownaddresses.is_here(own) else None

    def listens_on(self, local_ip: str | None) -> bool:
        """Whether the domain exists for a session on that address of ours (D-033)."""
        return local_ip is None or self.listen_ip in (None, local_ip) or self.bound_ip is None


def copy_fields(shape: type[P], row: Any) -> P:
    """A frozen `shape` filled from the fields of the same names."""
    return shape(**{field.name: getattr(row, field.name) for field in fields(shape)})  # type: ignore[arg-type]


def read_limits(row: Any) -> Limits:
    return Limits(
        disk_space_bytes=row.disk_space_mb * MEGABYTE or None,
        domain_aliases=row.domain_aliases or None,
        users=row.users or None,
        user_aliases=row.user_aliases or None,
        mailing_lists=row.mailing_lists or None,
        max_message_bytes=row.max_message_size_kb * KILOBYTE or None,
        recipients_per_message=row.recipients_per_message or None,
    )


def read_throttling(row: Any) -> Throttling:
    return Throttling(
        outgoing_messages_per_hour=_ceiling(row, "outgoing_messages_per_hour"),
        outgoing_bytes_per_hour=_ceiling(row, "outgoing_bandwidth_mb_per_hour", MEGABYTE),
        bounces_received_per_hour=_ceiling(row, "bounces_received_per_hour"),
    )


def _ceiling(row: Any, name: str, unit: int = 1) -> int | None:
    return getattr(row, name) * unit or None if getattr(row, f"{name}_enabled") else None
