"""The words of a message as one recipient gets them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape, unescape
from re import compile as pattern

VARIABLES = ("{name}", "{address}", "{domain}")

_BREAKS = pattern(r"(?i)<\s*(?:br|/p|/div|/li|/h[1-6]|/tr)\b[^>]{0,200}>")
_UNSEEN = pattern(r"(?is)<(style|script|head|title)\b.*?(?:</\1\s*>|\Z)")
_TAGS = pattern(r"<[^<>]{0,5000}>")
_SPACES = pattern(r"[ \t\r]+")


@dataclass(frozen=True, slots=True)
class Recipient:
    name: str
    address: str
    domain: str


def filled(text: str, to: Recipient, *, is_html: bool = False) -> str:
    """What is put in is never itself searched for variables; in HTML it is plain text."""
    values = dict(zip(VARIABLES, (to.name, to.address, to.domain), strict=True))
    pieces = _VARIABLE.split(text)
    return "".join(
        (escape(values[piece]) if is_html else values[piece]) if piece in values else piece
        for piece in pieces
    )


def subject_line(text: str, to: Recipient) -> str:
    """One line, whatever the recipient's name has in it."""
    return " ".join(filled(text, to).split())


def plain(html: str) -> str:
    """The text part of an HTML message."""
    text = _BREAKS.sub("\n", _UNSEEN.sub("", html))
    lines = (_SPACES.sub(" ", line).strip() for line in unescape(_TAGS.sub("", text)).split("\n"))
    said: list[str] = []
    for line in lines:
        if line or (said and said[-1]):
            said.append(line)
    return "\n".join(said).strip() + "\n"


_VARIABLE = pattern(r"(\{name\}|\{address\}|\{domain\})")
