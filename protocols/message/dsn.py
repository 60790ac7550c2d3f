"""Delivery status notifications: multipart/report messages, built. RFC 3464, 3461, 6533."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime

from protocols.message import addresses, advice, headers, words
from protocols.message.dates import format_date
from protocols.message.reports import Action, RecipientReport, Return, StatusReport

MOST_RETURNED_BYTES = 100 * 1024  # a longer message goes back as its header only

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


def build(
    report: StatusReport,
    *,
    to: str,
    author: str,
    message: bytes,
    returned: Return,
    message_id: str,
    now: datetime,
    most_returned_bytes: int = MOST_RETURNED_BYTES,
) -> bytes:
    """The report as a message to `to`, the sender of `message`; its own sender must be null.

    `author` is the address it comes from (mailer-daemon@host), `message_id` has no brackets.
    Non-ASCII addresses make it an internationalized report, which needs SMTPUTF8 on its way
    (`needs_utf8`). Only a failure returns the whole message: RFC 3461 §4.3.
    """
    is_utf8 = needs_utf8(report, to=to, message=message)
    is_full = (
        returned is Return.FULL
        and any(recipient.action is Action.FAILED for recipient in report.recipients)
        and len(message) <= most_returned_bytes
    )
    parts = (
        _human_part(report, message, is_full=is_full),
        _status_part(report, is_utf8=is_utf8),
        _returned_part(message, is_full=is_full, is_utf8=is_utf8),
    )
    boundary = _boundary(message_id, parts)
    is_8bit = is_utf8 or not all(part.isascii() for part in parts)
    head = _head(report, to, author, message, message_id, now, boundary, is_utf8, is_8bit)
    delimiter = b"--" + boundary + b"\r\n"
    return b"".join(
        (head, *(delimiter + part + b"\r\n" for part in parts), b"--" + boundary + b"--\r\n")
    )


def needs_utf8(report: StatusReport, *, to: str, message: bytes) -> bool:
    """Whether addresses or the returned header go beyond ASCII. RFC 6533 §3."""
    named = [to]
    for recipient in report.recipients:
        named += (recipient.recipient, recipient.original_recipient or "")
    if not all(address.isascii() for address in named):
        return True
    return not message[: headers.body_start(message)].isascii()


def _head(
    report: StatusReport,
    to: str,
    author: str,
    message: bytes,
    message_id: str,
    now: datetime,
    boundary: bytes,
    is_utf8: bool,
    is_8bit: bool,
) -> bytes:
    original_id = headers.first(message, b"message-id")
    thread = b""
    if original_id and len(original_id) < 900 and original_id.isascii():
        thread = headers.structured_field("In-Reply-To", original_id)
        thread += headers.structured_field("References", original_id)
    subject = f"{advice.subject(report)}: {_original_subject(message)}".rstrip(": ")
    kind = b"multipart/report; report-type=delivery-status;\r\n\tboundary="
    return b"".join(
        (
            headers.structured_field(
                "From", addresses.format_address("Mail Delivery System", author, utf8=is_utf8)
            ),
            headers.structured_field("To", addresses.format_address("", to, utf8=is_utf8)),
            headers.field("Subject", subject),
            b"Date: " + format_date(now) + b"\r\n",
            headers.structured_field("Message-ID", f"<{message_id}>".encode()),
            thread,
            b"MIME-Version: 1.0\r\n",
            b"Content-Type: " + kind + b'"' + boundary + b'"\r\n',
            b"Content-Transfer-Encoding: 8bit\r\n" if is_8bit else b"",
            b"Auto-Submitted: auto-replied\r\n",  # RFC 3834 §5.1: no responder answers it
            b"\r\nThis is a report in several parts about the delivery of your message.\r\n\r\n",
        )
    )


def _original_subject(message: bytes) -> str:
    subject = words.decode(headers.first(message, b"subject") or b"")
    subject = " ".join(_CONTROLS.sub(" ", subject).split())
    return subject if len(subject) <= 100 else subject[:99] + "…"


def _human_part(report: StatusReport, message: bytes, *, is_full: bool) -> bytes:
    text = advice.text(
        report,
        subject=_original_subject(message),
        date=words.decode(headers.first(message, b"date") or b"")[:100],
        is_full=is_full,
    )
    encoded = "\r\n".join(text.split("\n")).encode("utf-8", "replace")
    charset = b"us-ascii" if encoded.isascii() else b"utf-8"
    encoding = b"7bit" if encoded.isascii() else b"8bit"
    return (
        b"Content-Type: text/plain; charset=" + charset + b"\r\n"
        b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        b"Content-Description: Notification\r\n\r\n" + encoded
    )


def _status_part(report: StatusReport, *, is_utf8: bool) -> bytes:
    kind = b"message/global-delivery-status" if is_utf8 else b"message/delivery-status"
    head = b"Content-Type: " + kind + b"\r\nContent-Description: Delivery report\r\n"
    if is_utf8:
        head += b"Content-Transfer-Encoding: 8bit\r\n"
    lines = [_line("Reporting-MTA", f"dns; {report.reporting_mta}")]
    if report.envelope_id is not None:
        lines.append(_line("Original-Envelope-Id", report.envelope_id))
    if report.arrived_at is not None:
        lines.append(_line("Arrival-Date", format_date(report.arrived_at).decode()))
    for recipient in report.recipients:
        lines.append(b"")
        lines += _recipient_lines(recipient)
    return head + b"\r\n" + b"\r\n".join(lines) + b"\r\n"


def _recipient_lines(recipient: RecipientReport) -> Iterator[bytes]:
    if recipient.original_recipient is not None:
        yield _line("Original-Recipient", _original_recipient(recipient.original_recipient))
    yield _line("Final-Recipient", _typed(recipient.recipient))
    yield _line("Action", recipient.action)
    yield _line("Status", recipient.status)
    if recipient.remote_mta is not None:
        yield _line("Remote-MTA", f"dns; {recipient.remote_mta}")
    if recipient.diagnostic is not None:
        kind = "smtp" if recipient.diagnostic[:3].isdigit() else "x-mailhost"
        yield _line("Diagnostic-Code", f"{kind}; {recipient.diagnostic}")
    elif recipient.reason is not None:
        yield _line("Diagnostic-Code", f"x-mailhost; {recipient.reason}")
    if recipient.last_attempt_at is not None:
        yield _line("Last-Attempt-Date", format_date(recipient.last_attempt_at).decode())
    if recipient.retry_until is not None and recipient.action is Action.DELAYED:
        yield _line("Will-Retry-Until", format_date(recipient.retry_until).decode())


def _typed(address: str) -> str:
    """RFC 6533 §3: an address beyond ASCII has the type utf-8."""
    return f"rfc822; {address}" if address.isascii() else f"utf-8; {address}"


def _original_recipient(typed: str) -> str:
    kind, _, address = typed.partition(";")
    if not address:
        return _typed(typed)
    return f"{kind.strip()}; {address.strip()}" if address.isascii() else _typed(address.strip())


def _line(name: str, value: str) -> bytes:
    value = _CONTROLS.sub(" ", value).strip()
    return headers.structured_field(name, value.encode("utf-8", "replace")[:4000])[:-2]


def _returned_part(message: bytes, *, is_full: bool, is_utf8: bool) -> bytes:
    if is_full:
        kind = b"message/global" if is_utf8 else b"message/rfc822"
        description, content = b"Your message", message
    else:
        kind = b"message/global-headers" if is_utf8 else b"text/rfc822-headers"
        description = b"The header of your message"
        content = message[: headers.body_start(message)][:MOST_RETURNED_BYTES]
    encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    head = b"Content-Type: " + kind + b"\r\n" + encoding
    return head + b"Content-Description: " + description + b"\r\n\r\n" + content


def _boundary(message_id: str, parts: tuple[bytes, ...]) -> bytes:
    """A boundary that none of the parts contains; the same report always gets the same one."""
    seed = message_id.encode("utf-8", "replace")
    while True:
        boundary = b"report-" + hashlib.sha256(seed).hexdigest()[:32].encode()
        if not any(boundary in part for part in parts):
            return boundary
        seed += b"."
