"""Several posts of a mailing list as one message: RFC 1153 as text, RFC 2046 §5.1.5 as MIME.

Readers get both as alternatives: programs that know multipart/digest show each post as a message
that can be answered; all others show one text.
"""

from __future__ import annotations

import re
import secrets
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protocols.message import headers, reading
from protocols.message.dates import format_date

# RFC 1153: in this order, and no others.
_SHOWN = ("Date", "From", "To", "Cc", "Subject", "Message-ID", "Keywords", "Summary")
_BEFORE_FIRST = "-" * 70
_BETWEEN = "-" * 30
LONGEST_TOPIC = 120
LONGEST_FIELD = 500
# Of one post: whoever wants more reads it in the other form, or in the archive.
MOST_TEXT_CHARACTERS = 100_000
_FROM_LINE = re.compile(rb"\AFrom [^\r\n]*\r?\n")


@dataclass(frozen=True, slots=True)
class Edition:
    """What one digest says of itself."""

    title: str  # of the list
    number: int  # from 1, by list
    at: datetime
    preamble: str = ""  # how to post and how to leave
    trailer: str = ""


@dataclass(frozen=True, slots=True)
class Digest:
    """`content_type` is the value of the field; `body` has CRLF line ends, and 8-bit octets."""

    content_type: str
    body: bytes
    topics: tuple[str, ...]


def build(posts: Sequence[bytes], edition: Edition) -> Digest:
    """Both forms of one digest; `posts` are whole messages, from the oldest on."""
    read = [reading.read(post) for post in posts]
    topics = tuple(_topic(one) for one in read)
    masthead = _masthead(edition, topics)
    outer, mixed, inner = (_boundary() for _ in range(3))
    plain = _text_part(as_text(read, edition))
    body = b"".join(
        (
            _delimiter(outer),
            plain,
            _delimiter(outer),
            _type_field(f'multipart/mixed; boundary="{mixed}"'),
            b"\r\n",
            _delimiter(mixed),
            _text_part(masthead),
            _delimiter(mixed),
            _type_field(f'multipart/digest; boundary="{inner}"'),
            b"\r\n",
            b"".join(_digest_part(inner, post) for post in posts),
            _closing(inner),
            _delimiter(mixed),
            _text_part(_end(edition)),
            _closing(mixed),
            _closing(outer),
        )
    )
    return Digest(f'multipart/alternative; boundary="{outer}"', body, topics)


def as_text(posts: Sequence[reading.Readable], edition: Edition) -> str:
    """The whole digest as RFC 1153 has it."""
    topics = [_topic(one) for one in posts]
    parts = [_masthead(edition, topics), _BEFORE_FIRST, "\n\n"]
    for post in posts:
        parts += [_fields(post), "\n", _escaped(post), "\n", _BETWEEN, "\n\n"]
    parts.append(_end(edition))
    return "".join(parts)


def _masthead(edition: Edition, topics: Sequence[str]) -> str:
    day = format_date(edition.at).decode("ascii")
    lines = [f"{_one_line(edition.title)} Digest    {day}    Issue {edition.number}", ""]
    if edition.preamble:
        lines += [edition.preamble.strip(), ""]
    lines += ["Today's Topics:", "", *(f"  {n}. {topic}" for n, topic in enumerate(topics, 1))]
    return "\n".join(lines) + "\n\n"


def _end(edition: Edition) -> str:
    """RFC 1153: the last words, underlined with asterisks as long as they are."""
    words_ = f"End of {_one_line(edition.title)} Digest Issue {edition.number}"
    trailer = f"{edition.trailer.strip()}\n\n" if edition.trailer.strip() else ""
    return f"{trailer}{words_}\n{'*' * len(words_)}\n"


def _topic(post: reading.Readable) -> str:
    subject = _one_line(post.first("Subject")) or "(no subject)"
    author = _one_line(post.first("From"))
    return f"{subject} ({author})"[:LONGEST_TOPIC] if author else subject[:LONGEST_TOPIC]


def _fields(post: reading.Readable) -> str:
    found = ((name, _one_line(post.first(name))) for name in _SHOWN)
    return "".join(f"{name}: {value[:LONGEST_FIELD]}\n" for name, value in found if value)


def _escaped(post: reading.Readable) -> str:
    """RFC 1153: a line of the text that would end it gets a blank in front."""
    text = post.text[:MOST_TEXT_CHARACTERS].strip("\n")
    if post.attachments:
        text += "".join(
            f"\n[Attachment: {one.name or one.content_type}]" for one in post.attachments
        )
    lines = (f" {line}" if line.startswith(_BETWEEN) else line for line in text.split("\n"))
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text_part(text: str) -> bytes:
    """text/plain as quoted-printable: long lines and all languages pass everywhere."""
    encoded = b2a_qp(text.replace("\n", "\r\n").encode("utf-8", "replace"), istext=True)
    return (
        _type_field("text/plain; charset=utf-8")
        + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + encoded
    )


def _digest_part(boundary: str, post: bytes) -> bytes:
    """Without Content-Type: inside of multipart/digest that means message/rfc822."""
    post = _FROM_LINE.sub(b"", post)
    post = re.sub(rb"\r?\n", b"\r\n", post)
    return _delimiter(boundary) + b"\r\n" + post


def _type_field(value: str) -> bytes:
    return headers.structured_field("Content-Type", value.encode("ascii"))


def _delimiter(boundary: str) -> bytes:
    return f"\r\n--{boundary}\r\n".encode("ascii")


def _closing(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode("ascii")


def _boundary() -> str:
    """One that no post can know before: 96 bits of chance."""
    return f"=_{secrets.token_hex(12)}"
