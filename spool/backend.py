"""Django's EMAIL_BACKEND: the server's own mail takes the same road as all other.

Any room writes mail with `django.core.mail`, whatever floor it stands on. Headers that only this
file reads, and takes out, say how the message is to travel:

    X-MailHost-Kind      standard, report, event, notice (spool.models.Kind); standard without it
    X-MailHost-Priority  1 to 10, before every rule (S-034)
    X-MailHost-Domain    id of the domain that causes the message: its priorities count (P-004)
    X-MailHost-Sender    null: whatever From says, nothing comes back about it (RFC 3834 §3.3)
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any

import structlog
from django.conf import settings as conf
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from blobs.errors import StoreError
from blobs.ids import encode_id, new_id
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from mailboxes.errors import QuotaExceeded
from protocols.address import Address, MalformedAddress
from spool import intake, priority, routing
from spool.errors import Refused
from spool.intake import Intake, Parameters
from spool.models import Kind, Origin
from spool.routing import Question, Resolution

log = structlog.get_logger(__name__)

REFUSALS = (Refused, QuotaExceeded, MalformedAddress)


@dataclass(slots=True)
class _Way:
    """How one message is to travel, as its headers say, and the headers that it keeps."""

    kind: Kind = Kind.STANDARD
    priority: int | None = None
    domain_id: int | None = None
    has_null_sender: bool = False
    headers: dict[str, Any] = field(default_factory=dict)


class SpoolBackend(BaseEmailBackend):
    """Hands messages to the spool; they are durable when `send_messages` returns.

    Inside a transaction they go with its commit, or not at all: mail about what was rolled back
    would be a lie, and SQLite has room for one writer only. Not from a coroutine.

    Raises a refusal of `spool.errors` (or another of REFUSALS) if nobody could be reached,
    ValueError for a header that makes no sense, blobs.errors.StoreError.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many were taken; with `fail_silently` the others are only logged."""
        taken = 0
        for message in email_messages:
            try:
                taken += send(message)
            except (*REFUSALS, StoreError, ValueError) as error:
                if not self.fail_silently:
                    raise
                log.warning("own mail not taken", error=repr(error))
        return taken


def send(message: EmailMessage) -> bool:
    """Hand in one message; False if it is addressed to nobody."""
    opened = open_intake(message)
    if opened is None:
        return False
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(lambda: _commit(opened))
    else:
        _commit(opened)
    return True


def open_intake(message: EmailMessage) -> Intake | None:
    """What is to be committed; None if it is addressed to nobody. Raises as `send_messages`."""
    if not message.recipients():
        return None
    way = _way(message)
    author = _author(message)
    domain = _domain(way, author)
    # Reports of failure to this host's own name would reach nobody: then the null sender.
    is_ours = author is not None and domain_directory.by_name(author.domain) is not None
    sender = author.encode() if author and is_ours and not way.has_null_sender else ""
    question = Question(sender, may_relay=True, is_exempt=way.kind.is_exempt)
    reached = _reach(message.recipients(), question)
    is_ascii = all(address.is_ascii for address, _ in reached)
    text = _text(message, way)
    opened = intake.begin(
        sender=sender,
        origin=Origin.SERVER,
        kind=way.kind,
        domain=domain,
        parameters=Parameters(
            body_type="7BIT" if text.isascii() else "8BITMIME",
            smtputf8=not is_ascii,
            priority=way.priority,
        ),
    )
    for address, resolution in reached:
        opened.add_recipient(address, resolution)
    opened.write(text)
    return opened


def _commit(opened: Intake) -> None:
    opened.commit_now()
    log.info("own mail taken", id=opened.name, kind=opened.kind.value)


def _text(message: EmailMessage, way: _Way) -> bytes:
    """The bytes of the message; the caller's own object stays as it was."""
    written = copy.copy(message)
    given = {name.lower() for name in way.headers}
    # RFC 3834 §5: no machine answers what a machine wrote.
    added = {
        "Auto-Submitted": "auto-generated",
        "Message-ID": f"<{encode_id(new_id())}@{conf.MAILHOST_HOSTNAME}>",
    }
    missing = {name: value for name, value in added.items() if name.lower() not in given}
    written.extra_headers = way.headers | missing
    text: bytes = written.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # stubs
    return text


def _way(message: EmailMessage) -> _Way:
    """Read the headers meant for this file. Raises ValueError."""
    way = _Way()
    for name, value in message.extra_headers.items():
        match name.lower():
            case "x-mailhost-kind":
                way.kind = Kind(str(value))
            case "x-mailhost-priority":
                way.priority = int(value)
                if not priority.LOWEST <= way.priority <= priority.HIGHEST:
                    raise ValueError(f"{name} must be 1 to 10, not {value}")
            case "x-mailhost-domain":
                way.domain_id = int(value)
            case "x-mailhost-sender":
                if value != "null":
                    raise ValueError(f"{name} must be null, not {value}")
                way.has_null_sender = True
            case _:
                way.headers[name] = value
    return way


def _author(message: EmailMessage) -> Address | None:
    with suppress(MalformedAddress):
        return Address.parse(parseaddr(message.from_email)[1])
    return None


def _domain(way: _Way, author: Address | None) -> DomainPolicy | None:
    if way.domain_id is not None:
        return domain_directory.policy(way.domain_id)
    return domain_directory.by_name(author.domain) if author else None


def _reach(recipients: Sequence[str], question: Question) -> list[tuple[Address, Resolution]]:
    """Whoever can be reached. Raises the first refusal if nobody can."""
    reached: list[tuple[Address, Resolution]] = []
    refusals: list[Exception] = []
    for recipient in recipients:
        try:
            address = Address.parse(parseaddr(recipient)[1])
            reached.append((address, routing.resolve(address, question)))
        except REFUSALS as error:
            refusals.append(error)
            log.warning("own mail refused", recipient=recipient, error=repr(error))
    if not reached:
        raise refusals[0]
    return reached
