"""Delivery status notifications of other servers, read. RFC 3464, RFC 6533."""

from __future__ import annotations

import binascii
import re

from protocols.message import dates, headers, words
from protocols.message.mime import Part, scan
from protocols.message.reports import Action, RecipientReport, StatusReport

MOST_RECIPIENTS = 1_000
STATUS_BYTES = 1024 * 1024  # a longer status part is cut

_GROUP_END = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def parse(message: bytes) -> StatusReport | None:
    """The report in `message`, or None if it is not a delivery status notification.

    Takes any bytes. Recipients with an unknown action or no address are left out.
    """
    for part in scan(message).walk():
        if part.content.type == b"message" and part.content.subtype in (
            b"delivery-status",
            b"global-delivery-status",
        ):
            return _read_status(_decoded(message, part))
    return None


def returned_message_id(message: bytes) -> str | None:
    """The Message-ID of the message that a report gives back, whole or as its header."""
    for part in scan(message).walk():
        kind = (part.content.type, part.content.subtype)
        if part.is_message:
            found = part.children[0].fields.get(b"message-id")
        elif kind in ((b"text", b"rfc822-headers"), (b"message", b"global-headers")):
            found = headers.first(_decoded(message, part) + b"\r\n", b"message-id")
        else:
            continue
        if found:
            return words.decode_raw(headers.unfold(found))
    return None


def _decoded(message: bytes, part: Part) -> bytes:
    body = message[part.body_start : min(part.end, part.body_start + STATUS_BYTES)]
    encoding = headers.unfold(part.fields.get(b"content-transfer-encoding", b"")).lower()
    if encoding == b"base64":
        return words.decode_base64(body)
    return binascii.a2b_qp(body) if encoding == b"quoted-printable" else body


def _read_status(body: bytes) -> StatusReport | None:
    groups = [group for group in _GROUP_END.split(body.strip()) if group][: MOST_RECIPIENTS + 1]
    if len(groups) < 2:
        return None
    about = _fields(groups[0])
    recipients = (_read_recipient(_fields(group)) for group in groups[1:])
    arrived = about.get(b"arrival-date")
    return StatusReport(
        reporting_mta=_untyped(about.get(b"reporting-mta")) or "",
        recipients=tuple(recipient for recipient in recipients if recipient is not None),
        envelope_id=_text(about.get(b"original-envelope-id")),
        arrived_at=dates.parse(arrived) if arrived else None,
    )


def _read_recipient(fields: dict[bytes, bytes]) -> RecipientReport | None:
    recipient = _untyped(fields.get(b"final-recipient"))
    original = _text(fields.get(b"original-recipient"))
    if not recipient and original:
        recipient = _untyped(original.encode())
    try:
        action = Action((_text(fields.get(b"action")) or "").lower().partition(" ")[0])
    except ValueError:
        return None
    if not recipient:
        return None
    status = _STATUS.search(_text(fields.get(b"status")) or "")
    last, until = fields.get(b"last-attempt-date"), fields.get(b"will-retry-until")
    return RecipientReport(
        recipient=recipient,
        action=action,
        status=status[0] if status else _DEFAULT_STATUS[action],
        original_recipient=original,
        remote_mta=_untyped(fields.get(b"remote-mta")),
        diagnostic=_untyped(fields.get(b"diagnostic-code")),
        last_attempt_at=dates.parse(last) if last else None,
        retry_until=dates.parse(until) if until else None,
    )


_DEFAULT_STATUS = {
    Action.FAILED: "5.0.0",
    Action.DELAYED: "4.0.0",
    Action.DELIVERED: "2.0.0",
    Action.RELAYED: "2.0.0",
    Action.EXPANDED: "2.0.0",
}


def _fields(group: bytes) -> dict[bytes, bytes]:
    found = headers.first_fields(group, 0, len(group))
    return {name: headers.unfold(value) for name, value in found.items()}


def _text(value: bytes | None) -> str | None:
    return None if value is None else words.decode_raw(value)


def _untyped(value: bytes | None) -> str | None:
    """What follows the type: "rfc822; bob@example.org" names bob@example.org."""
    if value is None:
        return None
    kind, separator, rest = value.partition(b";")
    return words.decode_raw((rest if separator else kind).strip())
