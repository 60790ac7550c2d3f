"""Signing messages with DKIM, relaxed/relaxed, without holding them whole (RFC 6376, RFC 8463)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256

from protocols.message import headers
from protocols.message.addresses import parse
from protocols.smtp.dots import CanonicalLines

# RFC 6376 §5.4.1; each is signed once more than it occurs, so that nobody can add another.
SIGNED = (
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"in-reply-to",
    b"references", b"mime-version", b"content-type", b"content-transfer-encoding",
)  # fmt: skip
# These only as often as they occur: lists and relays add them for good reasons.
SIGNED_IF_THERE = (b"sender", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post")
LINE_WIDTH = 72

_BLANKS = re.compile(rb"[ \t]{2,}|\t")
_LINE_BREAK = re.compile(rb"\r?\n")


@dataclass(frozen=True, slots=True)
class Signer:
    """One key. `sign` takes the bytes to be signed and does the hashing that its kind wants."""

    domain: str
    selector: str
    algorithm: str  # rsa-sha256, ed25519-sha256
    sign: Callable[[bytes], bytes]


class BodyHash:
    """SHA-256 of a body in relaxed form, chunk by chunk. RFC 6376 §3.4.4."""

    __slots__ = ("_blank_lines", "_has_text", "_hash", "_held", "_lines")

    def __init__(self) -> None:
        self._hash = sha256()
        self._lines = CanonicalLines()
        self._held = b""  # of a line whose end has not come yet
        self._blank_lines = 0  # line ends that count only if text follows
        self._has_text = False

    def update(self, chunk: bytes) -> None:
        self._take(self._lines.encode(chunk))

    def digest(self) -> bytes:
        """Called once, at the end."""
        self._take(self._lines.finish())
        if self._held:
            self._take(b"\r\n")  # §3.4.4: a last line without an end gets one
        if self._has_text:
            self._hash.update(b"\r\n")
        return self._hash.digest()

    def _take(self, chunk: bytes) -> None:
        end = chunk.rfind(b"\r\n") + 2
        if end < 2:
            self._held += chunk
            return
        lines = _relaxed(self._held + chunk[:end])
        self._held = chunk[end:]
        text = lines.rstrip(b"\r\n")
        if text:
            self._hash.update(b"\r\n" * self._blank_lines + text)
            self._blank_lines = 0
            self._has_text = True
        self._blank_lines += (len(lines) - len(text)) // 2


def signatures(
    head: bytes, body_digest: bytes, signers: Iterable[Signer], *, at_seconds: int
) -> bytes:
    """The DKIM-Signature fields to put before a message with this header block, one a key."""
    wanted = _wanted(head)
    return b"".join(_field(wanted, body_digest, signer, at_seconds) for signer in signers)


def author_domain(head: bytes) -> bytes | None:
    """Of the one address in the one From field; None where there are none or several."""
    found = headers.every(head, b"from")
    if len(found) != 1:
        return None
    listed = [one for one in parse(found[0]) if not one.is_group_edge]
    return listed[0].domain.lower() if len(listed) == 1 and listed[0].domain else None


def _field(
    wanted: tuple[bytes, bytes], body_digest: bytes, signer: Signer, at_seconds: int
) -> bytes:
    names, signed = wanted
    value = (
        b" v=1; a=%s; c=relaxed/relaxed; d=%s;\r\n\ts=%s; t=%d;\r\n\th=%s;\r\n\tbh=%s;\r\n\tb="
        % (
            signer.algorithm.encode(),
            signer.domain.encode(),
            signer.selector.encode(),
            at_seconds,
            names,
            base64.b64encode(body_digest),
        )
    )
    proof = base64.b64encode(signer.sign(signed + b"dkim-signature:" + _relaxed_value(value)))
    pieces = [proof[at : at + LINE_WIDTH] for at in range(0, len(proof), LINE_WIDTH)]
    return b"DKIM-Signature:" + value + b"\r\n\t".join(pieces) + b"\r\n"


def _wanted(head: bytes) -> tuple[bytes, bytes]:
    """The value of h=, folded, and the fields that it names in relaxed form. §3.4.2, §5.4.2."""
    lines = CanonicalLines()
    head = lines.encode(head) + lines.finish()
    present: dict[bytes, list[bytes]] = {}
    for name, value in headers.fields(head):
        present.setdefault(name.lower(), []).append(value)
    names: list[bytes] = []
    signed: list[bytes] = []
    for name in (*SIGNED, *SIGNED_IF_THERE):
        found = present.get(name, [])
        # From the bottom up; the name once more finds nothing, and so guards against additions.
        signed += [name + b":" + _relaxed_value(value) + b"\r\n" for value in reversed(found)]
        names += [name] * (len(found) + (name in SIGNED))
    return _folded(names), b"".join(signed)


def _folded(names: list[bytes]) -> bytes:
    lines, line = [], b""
    for name in names:
        if len(line) + len(name) >= LINE_WIDTH:
            lines.append(line)
            line = b""
        line += name + b":"
    return b"\r\n\t".join([*lines, line])[:-1]


def _relaxed_value(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", _LINE_BREAK.sub(b"", value)).strip(b" \r")


def _relaxed(lines: bytes) -> bytes:
    if b"\t" in lines or b"  " in lines:
        lines = _BLANKS.sub(b" ", lines)
    return lines.replace(b" \r\n", b"\r\n")
