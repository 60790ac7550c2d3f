"""What a record in `lost+found` says of itself: the envelope of a message never answered."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from blobs.ids import MAX_ID, are_of_one_process, encode_id, time_of
from protocols.message import headers
from spool.models import Kind, Origin

# Between MAIL FROM and the end of the data: longer than any session lasts.
LONGEST_TRANSACTION = timedelta(days=1)
# The decision by which the trace of the message that it becomes tells of it.
STEP = "found after a crash"


class NoEnvelope(Exception):
    """The record is of another kind, or says nothing that can be read."""


class LostRecipient(msgspec.Struct, frozen=True, array_like=True):
    """As `spool.intake` writes it."""

    address: str
    original_address: str
    notify: str
    orcpt: str


class Envelope(msgspec.Struct, frozen=True):
    """The meta of a record that `spool.intake` wrote."""

    id: int
    sender: str
    origin: Origin
    kind: Kind
    recipients: list[LostRecipient]
    domain: int | None = None
    ret: str = ""
    envid: str = ""
    priority: int | None = None  # as the sender wished, 1…10

    @property
    def addresses(self) -> list[str]:
        """As RCPT TO said, each once."""
        return list(dict.fromkeys(one.original_address for one in self.recipients))


def read(meta: bytes, *, blob_id: int) -> Envelope:
    """Raises NoEnvelope, also where the record is a later copy of an accepted message.

    Settling and reloading copy the meta along under an id of their own; who accepts a message
    gives out both ids himself.
    """
    try:
        envelope = msgspec.json.decode(meta, type=Envelope)
        taken = time_of(blob_id) - time_of(envelope.id)
    except (msgspec.DecodeError, OverflowError, ValueError):
        raise NoEnvelope("it has no envelope that can be read") from None
    if not 0 <= envelope.id <= MAX_ID or not envelope.recipients:
        raise NoEnvelope("its envelope names no recipient")
    if not are_of_one_process(blob_id, envelope.id) or abs(taken) > LONGEST_TRANSACTION:
        raise NoEnvelope("it is a copy of a message that had been accepted before")
    return envelope


def message_id_of(head: bytes) -> str:
    """The Message-ID without its brackets, as the spool's rows keep it; empty: none."""
    named = headers.named(headers.fields(head), b"message-id")
    given = next(filter(None, named), b"")
    return given.strip().strip(b"<>").decode("utf-8", "replace")[:250]


def is_made_here(message_id: str, spool_id: int, hostname: str) -> bool:
    """Whether the submitter gave none: what is sent again gets another one."""
    return message_id in ("", f"{encode_id(spool_id)}@{hostname}")
