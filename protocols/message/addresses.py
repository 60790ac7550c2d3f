"""Address lists of From, To and their like, read however broken they are. RFC 5322 §3.4."""

from __future__ import annotations

import re
from typing import NamedTuple

from protocols.message import words

MOST_ADDRESSES = 10_000
VALUE_BYTES = 256 * 1024  # a longer value is cut

_ATOM = rb'[^\s"(),:;<>@\[\]\\\x00]'
_DOMAIN = rb'[^\s"(),:;<>@\\\x00]'
# The shapes that nearly all mail has: "Name" <a@b>, Name <a@b>, <a@b>, a@b.
_USUAL = re.compile(
    rb"[ \t\r\n]*+(?:"
    rb'(?:"((?:[^"\\\r\n]|\\[^\r\n])*+)"|([^"(),:;<>@\[\]\\\r\n\x00]*+))[ \t\r\n]*+'
    rb"<(" + _ATOM + rb"++)@(" + _DOMAIN + rb"++)>"
    rb"|(" + _ATOM + rb"++)@(" + _DOMAIN + rb"++)"
    rb")[ \t\r\n]*+(?:,|\Z)"
)
_TOKEN = re.compile(
    rb'(?P<blank>[ \t\r\n\x00]++)|(?P<quoted>"(?:[^"\\]|\\.)*+"?)|(?P<literal>\[[^\]<>,;]*+\]?)'
    rb'|(?P<atom>[^\s"()<>@,:;\[\]\\\x00]++)|(?P<special>.)',
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(rb"[()\\]")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


class ListedAddress(NamedTuple):
    """One entry of an address list, raw: encoded words are left as they are.

    A group is two entries around its members: one with only `local_part` (the group's name)
    and one with nothing at all. RFC 3501 §7.4.2.
    """

    name: bytes | None
    route: bytes | None
    local_part: bytes | None
    domain: bytes | None

    @property
    def is_group_edge(self) -> bool:
        return self.domain is None

    @property
    def address(self) -> str:
        """local_part@domain as text; empty for the edges of a group."""
        if self.domain is None:
            return ""
        return words.decode_raw((self.local_part or b"") + b"@" + self.domain)

    @property
    def display_name(self) -> str:
        """The name as people read it, or an empty text."""
        return words.decode(self.name) if self.name else ""


def parse(value: bytes) -> list[ListedAddress]:
    """All entries of a folded or unfolded value; garbage yields what can be made out of it."""
    value = value[:VALUE_BYTES]
    listed: list[ListedAddress] = []
    position, size = 0, len(value)
    while position < size:
        usual = _USUAL.match(value, position)
        if usual is None:
            return _Reader(value, position, listed).read()
        quoted, bare, local_part, domain, local_part_alone, domain_alone = usual.groups()
        position = usual.end()
        if domain_alone is not None:
            listed.append(ListedAddress(None, None, local_part_alone, domain_alone))
            continue
        name = _one_line(_unquote(quoted)) if quoted else _one_line(bare or b"")
        listed.append(ListedAddress(name or None, None, local_part, domain))
        if len(listed) >= MOST_ADDRESSES:
            break
    return listed


def mailboxes(value: bytes) -> list[ListedAddress]:
    """The entries that are addresses: group edges and entries without a domain are left out."""
    return [entry for entry in parse(value) if entry.domain]


def format_address(name: str, address: str, *, utf8: bool = False) -> bytes:
    """`Name <address>` for a header field, the name quoted or encoded as it needs. RFC 5322 §3.4.

    Controls in either become nothing, so that no field can be added.
    """
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    address = "".join(c for c in address if c.isprintable() and c not in "<>")
    octets = address.encode("utf-8", "replace")
    if not name:
        return octets
    if (not name.isascii() and not utf8) or "=?" in name:
        return words.encode(name) + b" <" + octets + b">"
    if _PHRASE.fullmatch(name):
        return name.encode("ascii") + b" <" + octets + b">"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return b'"' + quoted.encode("utf-8", "replace") + b'" <' + octets + b">"


def _unquote(text: bytes) -> bytes:
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text


def _one_line(text: bytes) -> bytes:
    if b"\n" in text or b"\r" in text:
        text = text.replace(b"\r", b"").replace(b"\n", b"")
    return text.strip(b" \t")


Token = tuple[str, bytes]


class _Reader:
    """Reads what is not usual: groups, comments, routes, missing parts, plain garbage."""

    def __init__(self, value: bytes, position: int, listed: list[ListedAddress]) -> None:
        self.value = value
        self.position = position
        self.listed = listed
        self.in_group = False
        self._clear()

    def _clear(self) -> None:
        self.outer: list[Token] = []  # what stands outside of <>
        self.angle: list[Token] | None = None  # what stands inside; None: no < was seen
        self.is_inside = False
        self.comment = b""

    def read(self) -> list[ListedAddress]:
        while self.position < len(self.value) and len(self.listed) < MOST_ADDRESSES:
            token = _TOKEN.match(self.value, self.position)
            assert token is not None  # the last alternative takes any octet
            self.position = token.end()
            kind = token.lastgroup or ""
            if kind == "special":
                self._special(token[0])
            elif kind == "blank":
                self._add(("blank", b" "))
            else:
                self._add((kind, token[0]))
        self._finish()
        if self.in_group:
            self.listed.append(ListedAddress(None, None, None, None))
        return self.listed

    def _add(self, token: Token) -> None:
        if self.is_inside and self.angle is not None:
            self.angle.append(token)
        else:
            self.outer.append(token)

    def _special(self, octet: bytes) -> None:
        if octet == b"(":
            self._read_comment()
        elif octet == b"<" and self.angle is None:
            self.angle, self.is_inside = [], True
        elif octet == b">":
            self.is_inside = False
        elif octet == b"," and not self._is_in_route():
            self._finish()
        elif octet == b";" and not self.is_inside:
            self._finish()
            if self.in_group:
                self.listed.append(ListedAddress(None, None, None, None))
                self.in_group = False
        elif octet == b":" and not self.is_inside and not self.in_group:
            self.listed.append(ListedAddress(None, None, _phrase(self.outer), None))
            self.in_group = True
            self._clear()
        else:
            self._add(("special", octet))

    def _is_in_route(self) -> bool:
        if not self.is_inside or not self.angle:
            return False
        return self.angle[0][1] == b"@" and ("special", b":") not in self.angle[-64:]

    def _read_comment(self) -> None:
        """Skip to the end of a comment, keeping its text: old mail has the name there."""
        start, depth = self.position, 1
        while depth:
            edge = _COMMENT_EDGE.search(self.value, self.position)
            if edge is None:
                self.position = len(self.value)
                break
            self.position = edge.end()
            if edge[0] == b"\\":
                self.position += 1
            else:
                depth += 1 if edge[0] == b"(" else -1
        text = self.value[start : self.position - (depth == 0)]
        self.comment = self.comment or _one_line(_unquote(text))
        self._add(("blank", b" "))

    def _finish(self) -> None:
        outer, angle = self.outer, self.angle
        if angle is not None:
            name = _phrase(outer) or self.comment
            entry = _address(angle, name)
        else:
            entry = _address(outer, self.comment)
        if entry is not None:
            self.listed.append(entry)
        self._clear()


def _address(tokens: list[Token], name: bytes) -> ListedAddress | None:
    tokens = [token for token in tokens if token[0] != "blank"] if tokens else tokens
    if not tokens:
        return ListedAddress(name, None, b"", b"") if name else None
    route = None
    if tokens[0][1] == b"@" and ("special", b":") in tokens:
        colon = tokens.index(("special", b":"))
        route = b"".join(text for _, text in tokens[:colon])
        tokens = tokens[colon + 1 :]
    at = max((i for i, token in enumerate(tokens) if token == ("special", b"@")), default=None)
    before = tokens if at is None else tokens[:at]
    local_part = b"".join(_text(token) for token in before)
    domain = b"" if at is None else b"".join(text for _, text in tokens[at + 1 :])
    return ListedAddress(name or None, route, local_part, domain)


def _text(token: Token) -> bytes:
    kind, text = token
    if kind != "quoted":
        return text
    return _one_line(_unquote(text[1:-1] if text.endswith(b'"') and len(text) > 1 else text[1:]))


def _phrase(tokens: list[Token]) -> bytes:
    return b"".join(_text(token) for token in tokens).strip()
