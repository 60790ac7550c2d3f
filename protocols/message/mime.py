"""The parts of a message as ranges of its bytes: one pass, no copy of a body. RFC 2046."""

from __future__ import annotations

import re
from collections.abc import Iterator

from protocols.message.headers import first_fields
from protocols.message.parameters import PLAIN_TEXT, ContentType, content_type

MOST_LEVELS = 100
MOST_PARTS = 10_000

_BLANK_LINE = re.compile(rb"\n\r?\n")
_EMBEDDED = ContentType(b"message", b"rfc822")
_OPAQUE = ContentType(b"application", b"octet-stream")


class Part:
    """One node of the tree: a header block and what follows it up to the next boundary.

    A message/rfc822 part has one child, the message inside; a multipart has its parts.
    """

    __slots__ = ("body_start", "children", "content", "end", "fields", "header_start", "lines")

    def __init__(
        self, header_start: int, body_start: int, content: ContentType, fields: dict[bytes, bytes]
    ) -> None:
        self.header_start = header_start
        self.body_start = body_start
        self.end = body_start
        self.lines = 0  # line ends of the body, counted for text and embedded messages only
        self.content = content
        self.fields = fields  # first field of each lower-case name, folded
        self.children: list[Part] = []

    @property
    def is_multipart(self) -> bool:
        return self.content.type == b"multipart"

    @property
    def is_message(self) -> bool:
        """A message within the message: it has an envelope and a structure of its own."""
        return self.content.type == b"message" and bool(self.children)

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order of the bytes."""
        yield self
        for child in self.children:
            yield from child.walk()


def scan(message: bytes) -> Part:
    """The tree of `message`. Takes any bytes; broken MIME becomes what can be made out of it."""
    return _Scanner(message).entity(0, 0, PLAIN_TEXT)


class _Delimiter:
    """A boundary line that was met."""

    __slots__ = ("after", "at", "is_closing", "level")

    def __init__(self, at: int, after: int, level: int, is_closing: bool) -> None:
        self.at = at  # where its line begins
        self.after = after  # where the next line begins
        self.level = level  # index of the multipart that it belongs to
        self.is_closing = is_closing


class _Scanner:
    """Walks forward over the bytes once; every search starts where the last one ended."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.size = len(message)
        self.boundaries: tuple[bytes, ...] = ()  # of the open multiparts, with their "--"
        self.delimiter: _Delimiter | None = None  # what ended the entity read last
        self.parts = 0
        self.blank_start = -1
        self.blank_end = 0
        self.counted_to = 0
        self.line_ends = 0

    def entity(self, start: int, level: int, default: ContentType) -> Part:
        """Read one header block and its body, to the boundary or the end."""
        self.parts += 1
        self._find_blank_line(start)
        early = self._next_delimiter(start, self.blank_start + 1) if self.boundaries else None
        if early is not None:  # the boundary comes before the header block has ended
            body_start = max(start, self._end_before(early))
        else:
            body_start = self.blank_end
        fields = first_fields(self.message, start, body_start)
        declared = fields.get(b"content-type")
        content = default if declared is None else content_type(declared)
        part = Part(start, body_start, content, fields)
        if early is not None:
            self.delimiter = early
            self._end_leaf(part)
        elif content.type == b"multipart":
            self._multipart(part, level)
        elif content.type == b"message" and content.subtype in (b"rfc822", b"global"):
            self._embedded(part, level)
        else:
            self.delimiter = self._next_delimiter(body_start, self.size)
            self._end_leaf(part)
        return part

    def _end_leaf(self, part: Part) -> None:
        if part.content.type in (b"multipart", b"message"):
            part.content = _without_children(part.content)
        part.end = max(part.body_start, self._end_before(self.delimiter))
        if part.content.type == b"text":
            part.lines = self.message.count(b"\n", part.body_start, part.end)

    def _multipart(self, part: Part, level: int) -> None:
        boundary = part.content.boundary
        if boundary is None or level >= MOST_LEVELS or self.parts >= MOST_PARTS:
            self.delimiter = self._next_delimiter(part.body_start, self.size)
            self._end_leaf(part)
            return
        own = len(self.boundaries)
        outer = self.boundaries
        self.boundaries = (*outer, b"--" + boundary)
        # RFC 2046 §5.1.5: parts of a digest are messages unless they say otherwise.
        default = _EMBEDDED if part.content.subtype == b"digest" else PLAIN_TEXT
        delimiter = self._next_delimiter(part.body_start, self.size)
        while delimiter is not None and delimiter.level == own and not delimiter.is_closing:
            if self.parts >= MOST_PARTS or delimiter.after >= self.size:
                delimiter = self._next_delimiter(delimiter.after, self.size)
                continue
            part.children.append(self.entity(delimiter.after, level + 1, default))
            delimiter = self.delimiter
        self.boundaries = outer
        if delimiter is not None and delimiter.level == own:  # closed: an epilogue may follow
            delimiter = self._next_delimiter(delimiter.after, self.size)
        self.delimiter = delimiter
        if not part.children:  # its boundary never came: shown as the text that it is
            part.content = PLAIN_TEXT
            self._end_leaf(part)
            return
        part.end = max(self._end_before(delimiter), part.children[-1].end)

    def _embedded(self, part: Part, level: int) -> None:
        if level >= MOST_LEVELS or self.parts >= MOST_PARTS:
            self.delimiter = self._next_delimiter(part.body_start, self.size)
            self._end_leaf(part)
            return
        before = self._line_ends_to(part.body_start)
        child = self.entity(part.body_start, level + 1, PLAIN_TEXT)
        part.children.append(child)
        part.end = child.end
        part.lines = self._line_ends_to(part.end) - before

    def _find_blank_line(self, start: int) -> None:
        """The first blank line at or behind `start`; found once, however many parts ask."""
        if start == 0 and self.message.startswith((b"\n", b"\r\n")):
            self.blank_start, self.blank_end = 0, 1 + self.message.startswith(b"\r")
            return
        if self.blank_start >= start - 1 and self.blank_end > 0:
            return
        blank = _BLANK_LINE.search(self.message, max(start - 1, 0))
        if blank is None:
            self.blank_start, self.blank_end = self.size, self.size
        else:
            self.blank_start, self.blank_end = blank.span()

    def _next_delimiter(self, position: int, limit: int) -> _Delimiter | None:
        """The first boundary line of an open multipart that begins in [position, limit).

        `position` is the beginning of a line.
        """
        boundaries = self.boundaries
        if not boundaries:
            return None
        message = self.message
        # One needle for the search: with several open multiparts only the dashes are common.
        needle = b"\n" + boundaries[0] if len(boundaries) == 1 else b"\n--"
        at = position
        if at >= limit or not message.startswith(boundaries, at):
            at -= 1
            while True:
                at = message.find(needle, at + 1, limit + len(needle) - 2)
                if at < 0:
                    return None
                if message.startswith(boundaries, at + 1):
                    at += 1
                    break
        return self._read_delimiter(at)

    def _read_delimiter(self, at: int) -> _Delimiter:
        """Whose line it is: the longest boundary that begins it, innermost first.

        RFC 2046 §5.1.1 compares beginnings only: what follows the boundary does not matter.
        """
        level, length = 0, 0
        for index in range(len(self.boundaries) - 1, -1, -1):
            boundary = self.boundaries[index]
            if len(boundary) > length and self.message.startswith(boundary, at):
                level, length = index, len(boundary)
        line_end = self.message.find(b"\n", at)
        after = self.size if line_end < 0 else line_end + 1
        return _Delimiter(at, after, level, self.message.startswith(b"--", at + length))

    def _end_before(self, delimiter: _Delimiter | None) -> int:
        """RFC 2046 §5.1.1: the line end before a boundary belongs to the boundary."""
        if delimiter is None:
            return self.size
        end = delimiter.at
        if end > 0 and self.message[end - 1] == 0x0A:
            end -= 1
            if end > 0 and self.message[end - 1] == 0x0D:
                end -= 1
        return end

    def _line_ends_to(self, position: int) -> int:
        """How many line ends lie before `position`; positions come in nearly rising order."""
        if position >= self.counted_to:
            self.line_ends += self.message.count(b"\n", self.counted_to, position)
        else:
            self.line_ends -= self.message.count(b"\n", position, self.counted_to)
        self.counted_to = position
        return self.line_ends


def _without_children(content: ContentType) -> ContentType:
    """How a multipart or message that cannot be taken apart is called.

    Without a usable boundary it is shown as text; a type that must have children would
    have none in its BODYSTRUCTURE.
    """
    if content.type == b"multipart":
        return PLAIN_TEXT if content.boundary is None else _OPAQUE
    return _OPAQUE if content.subtype in (b"rfc822", b"global") else content
