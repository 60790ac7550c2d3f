"""A message as plain text that is safe to show: nothing in it acts, loads or leads away."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from protocols.message import headers, mime, parameters, words
from protocols.message.mime import Part

MOST_TEXT_CHARACTERS = 200_000
MOST_ATTACHMENTS = 200
MOST_FIELDS = 500
NAME_CHARACTERS = 200

_SILENT = frozenset(
    {"script", "style", "head", "title", "template", "noscript", "iframe", "object"}
)
_BREAKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "blockquote", "table"})
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
# Characters that hide others or turn the order of writing round, and halves of characters (UTF-7
# may name them), which nothing can write down.
_TRICKS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str  # as the message calls it; empty: it does not
    content_type: str
    size_bytes: int  # as it lies in the message, still encoded


@dataclass(frozen=True, slots=True)
class Readable:
    """Fields decoded, in their order; `text` of the plain part, or else what HTML says."""

    fields: tuple[tuple[str, str], ...]
    text: str
    is_from_html: bool
    attachments: tuple[Attachment, ...]

    def first(self, name: str) -> str:
        """The first field of that name, or nothing."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key.lower() == wanted), "")


def read(message: bytes) -> Readable:
    """Takes any bytes; what is broken is shown as far as it can be."""
    root = mime.scan(message)
    leaves = [part for part in root.walk() if not part.children]
    shown = _shown_part(leaves)
    text = "" if shown is None else _text_of(message, shown)
    is_html = shown is not None and shown.content.subtype == b"html"
    attachments = (_attachment(part) for part in leaves if part is not shown)
    return Readable(
        fields=tuple(_fields(message)),
        text=_clean(_without_markup(text) if is_html else text),
        is_from_html=is_html,
        attachments=tuple(attachments)[:MOST_ATTACHMENTS],
    )


def _fields(message: bytes) -> Iterator[tuple[str, str]]:
    for name, value in headers.fields(message)[:MOST_FIELDS]:
        yield name.decode("latin-1"), _clean(words.decode(value)).replace("\n", " ")


def _shown_part(leaves: list[Part]) -> Part | None:
    """The first plain text that is no attachment, else the first HTML."""
    texts = [part for part in leaves if part.content.type == b"text" and not _is_attached(part)]
    for subtype in (b"plain", b"html"):
        for part in texts:
            if part.content.subtype == subtype:
                return part
    return texts[0] if texts else None


def _is_attached(part: Part) -> bool:
    value = part.fields.get(b"content-disposition")
    read = None if value is None else parameters.disposition(value)
    return read is not None and read[0] == b"attachment"


def _attachment(part: Part) -> Attachment:
    value = part.fields.get(b"content-disposition")
    read = None if value is None else parameters.disposition(value)
    name = parameters.text(read[1], b"filename") if read else None
    name = name or parameters.text(part.content.parameters, b"name") or ""
    kind = f"{part.content.type.decode('latin-1')}/{part.content.subtype.decode('latin-1')}"
    return Attachment(_clean(name)[:NAME_CHARACTERS], kind, part.end - part.body_start)


def _text_of(message: bytes, part: Part) -> str:
    # An encoded character takes at most 12 octets: more would not be shown anyway.
    raw = message[part.body_start : min(part.end, part.body_start + 12 * MOST_TEXT_CHARACTERS)]
    encoding = part.fields.get(b"content-transfer-encoding", b"").strip().lower()
    if encoding == b"base64":
        raw = words.decode_base64(raw)
    elif encoding == b"quoted-printable":
        raw = binascii.a2b_qp(raw)
    charset = parameters.text(part.content.parameters, b"charset") or ""
    text = words.decode_charset(raw, charset)
    return text.replace("\r\n", "\n")[:MOST_TEXT_CHARACTERS]


def _clean(text: str) -> str:
    return _TRICKS.sub("", text)


class _TextOnly(HTMLParser):
    """Keeps what would be read aloud."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BREAKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BREAKS:
            self.found.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def _without_markup(text: str) -> str:
    parser = _TextOnly()
    try:
        parser.feed(text)
        parser.close()
    except (AssertionError, ValueError):  # malformed declarations: what was read till then counts
        pass
    return _BLANK_LINES.sub("\n\n", "".join(parser.found)).strip()
