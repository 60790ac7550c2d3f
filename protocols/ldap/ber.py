"""BER as LDAP uses it: definite lengths, tags of one octet, primitive strings. RFC 4511 §5.1."""

from __future__ import annotations

BOOLEAN, INTEGER, OCTET_STRING, ENUMERATED = 0x01, 0x02, 0x04, 0x0A
SEQUENCE, SET = 0x30, 0x31
HEADER_BYTES = 6  # a tag, and a length of five octets at most
LARGEST_INTEGER = 2**31 - 1  # RFC 4511 §4.1.1: maxInt

_LONG_TAG = 0x1F
_LENGTH_OCTETS = 4


class Malformed(Exception):
    """The octets are no BER, or none that may stand here."""


def size_of(octets: bytes | bytearray, tag: int) -> int | None:
    """How long the element is that these octets begin with, its header too.

    None: too few octets to tell. Raises Malformed: also if it has another tag than this one.
    """
    if octets and octets[0] != tag:
        raise Malformed(f"tag {octets[0]:#04x} where {tag:#04x} is due")
    if len(octets) < 2:
        return None
    first = octets[1]
    if first < 0x80:
        return 2 + first
    count = _octets_of_length(first)
    if len(octets) < 2 + count:
        return None
    return 2 + count + int.from_bytes(octets[2 : 2 + count], "big")


class Reader:
    """The elements within one, in turn. Every method raises Malformed."""

    __slots__ = ("_at", "_end", "_octets")

    def __init__(self, octets: bytes, start: int = 0, end: int | None = None) -> None:
        self._octets = octets
        self._at = start
        self._end = len(octets) if end is None else end

    @property
    def is_at_end(self) -> bool:
        return self._at >= self._end

    @property
    def tag(self) -> int:
        """Of the next element."""
        if self.is_at_end:
            raise Malformed("an element is missing")
        return self._octets[self._at]

    def enter(self, tag: int | None = None) -> Reader:
        """The next element, to read what is within; None: whatever tag it has."""
        start, end = self._take(tag)
        return Reader(self._octets, start, end)

    def alone(self) -> Reader:
        """A reader of the next element only, header and all; it is passed over."""
        start = self._at
        self._take(None)
        return Reader(self._octets, start, self._at)

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        start, end = self._take(tag)
        return self._octets[start:end]

    def text(self, tag: int = OCTET_STRING) -> str:
        """A string of UTF-8. RFC 4511 §4.1.2."""
        try:
            return self.octets(tag).decode()
        except UnicodeDecodeError:
            raise Malformed("a string is not UTF-8") from None

    def integer(self, tag: int = INTEGER) -> int:
        """One that is not negative, up to maxInt, which is all that LDAP has."""
        octets = self.octets(tag)
        if not 1 <= len(octets) <= _LENGTH_OCTETS + 1:
            raise Malformed("a number of no or of too many octets")
        number = int.from_bytes(octets, "big", signed=True)
        if not 0 <= number <= LARGEST_INTEGER:
            raise Malformed("a number out of range")
        return number

    def boolean(self, tag: int = BOOLEAN) -> bool:
        octets = self.octets(tag)
        if len(octets) != 1:
            raise Malformed("a truth value of another size than one octet")
        return octets != b"\0"

    def _take(self, tag: int | None) -> tuple[int, int]:
        """Where the contents of the next element begin and end; it is passed over."""
        found = self.tag
        if tag is not None and found != tag:
            raise Malformed(f"tag {found:#04x} where {tag:#04x} is due")
        if found & _LONG_TAG == _LONG_TAG:
            raise Malformed("a tag of several octets")
        at = self._at + 1
        if at >= self._end:
            raise Malformed("a length is missing")
        length = self._octets[at]
        at += 1
        if length >= 0x80:
            count = _octets_of_length(length)
            if at + count > self._end:
                raise Malformed("a length is cut off")
            length = int.from_bytes(self._octets[at : at + count], "big")
            at += count
        if length > self._end - at:
            raise Malformed("an element is longer than what it stands in")
        self._at = at + length
        return at, self._at


def _octets_of_length(first: int) -> int:
    """How many octets of a length follow its first one."""
    count = first & 0x7F
    if not 1 <= count <= _LENGTH_OCTETS:
        raise Malformed("a length that is indefinite or too long")
    return count


# --- writing -------------------------------------------------------------------------------


def element(tag: int, *parts: bytes) -> bytes:
    contents = b"".join(parts)
    size = len(contents)
    if size < 0x80:
        return bytes((tag, size)) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + contents


def string(value: str | bytes, tag: int = OCTET_STRING) -> bytes:
    return element(tag, value.encode() if isinstance(value, str) else value)


def integer(value: int, tag: int = INTEGER) -> bytes:
    """One that is not negative."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    return element(tag, b"\xff" if value else b"\0")
