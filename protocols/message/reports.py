"""Delivery status as values: what became of each recipient of a message. RFC 3464, RFC 3463."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Action(StrEnum):
    """What the reporting server did with a recipient. RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Return(StrEnum):
    """How much of the message goes back: RET of MAIL. RFC 3461 §4.3."""

    FULL = "FULL"
    HEADERS = "HDRS"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient."""

    recipient: str  # where the message was going at last, behind aliases
    action: Action
    status: str  # RFC 3463: "5.1.1"
    original_recipient: str | None = None  # ORCPT decoded, with its type: "rfc822;bob@example.org"
    remote_mta: str | None = None  # host name of the server that answered
    diagnostic: str | None = None  # its reply: "550 5.1.1 No such user"
    reason: str | None = None  # in words, where no other server has spoken
    last_attempt_at: datetime | None = None
    retry_until: datetime | None = None  # when a delayed recipient is given up


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One report about one message. RFC 3464 §2.2."""

    reporting_mta: str
    recipients: tuple[RecipientReport, ...]
    envelope_id: str | None = None  # ENVID of MAIL, decoded
    arrived_at: datetime | None = None
