"""A client of the LDAP listener that says whatever octets a test wants it to say."""

from __future__ import annotations

from protocols.ldap import ber
from protocols.ldap.ber import ENUMERATED, SEQUENCE, Reader
from protocols.ldap.requests import EXAMINE_ROOT
from tests.factories import PASSWORD
from tests.listeners.talking import Talking

START_TLS = "1.3.6.1.4.1.1466.20037"
NOTICE = b"1.3.6.1.4.1.1466.20036"
PAGED = "1.2.840.113556.1.4.319"
ALL = ber.string("objectClass", 0x87)


def message(number: int, tag: int, *parts: bytes, controls: bytes = b"") -> bytes:
    return ber.element(SEQUENCE, ber.integer(number), ber.element(tag, *parts), controls)


def bind(number: int, name: str, password: str = PASSWORD, *, version: int = 3) -> bytes:
    parts = ber.integer(version), ber.string(name), ber.string(password, 0x80)
    return message(number, 0x60, *parts)


def search(
    number: int, wanted: bytes = ALL, *, base: str = "dc=example,dc=com", scope: int = 2,
    attributes: tuple[str, ...] = (), size: int = 0, seconds: int = 0, types_only: bool = False,
    controls: bytes = b"",
) -> bytes:  # fmt: skip
    listed = ber.element(SEQUENCE, *(ber.string(one) for one in attributes))
    return message(
        number, 0x63, ber.string(base), ber.integer(scope, ENUMERATED), ber.integer(0, ENUMERATED),
        ber.integer(size), ber.integer(seconds), ber.boolean(types_only), wanted, listed,
        controls=controls,
    )  # fmt: skip


def abandon(number: int, other: int) -> bytes:
    return ber.element(SEQUENCE, ber.integer(number), ber.integer(other, 0x50))


def extended(number: int, oid: str) -> bytes:
    return message(number, 0x77, ber.string(oid, 0x80))


def equality(attribute: str, value: str | bytes, tag: int = 0xA3) -> bytes:
    return ber.element(tag, ber.string(attribute), ber.string(value))


def paging(size: int, cookie: bytes = b"", *, is_critical: bool = True) -> bytes:
    value = ber.element(SEQUENCE, ber.integer(size), ber.string(cookie))
    control = ber.element(SEQUENCE, ber.string(PAGED), ber.boolean(is_critical), ber.string(value))
    return ber.element(0xA0, control)


class Answer:
    """One message of the server: its number, tag, and for a result its code and text."""

    def __init__(self, octets: bytes) -> None:
        envelope = Reader(octets).enter(SEQUENCE)
        self.number = envelope.integer()
        self.tag = envelope.tag
        self.within = envelope.enter()
        self.cookie: bytes | None = None
        if not envelope.is_at_end:
            control = envelope.enter(0xA0).enter(SEQUENCE)
            assert control.text() == PAGED
            value = Reader(control.octets()).enter(SEQUENCE)
            value.integer()
            self.cookie = value.octets()
        if self.tag == 0x64:
            self.name = self.within.text()
            return
        self.code = self.within.integer(ENUMERATED)
        self.within.octets()
        self.text = self.within.text()
        self.oid = b"" if self.within.is_at_end else self.within.octets(self.within.tag)

    @property
    def is_notice(self) -> bool:
        return self.number == 0 and self.oid == NOTICE


class Talk(Talking):
    """A connection; `greets` shows that the server answers before anything else is said."""

    def __init__(self, host: str, port: int, *, is_tls: bool = False, greets: bool = True) -> None:
        super().__init__(host, port, is_tls=is_tls)
        if greets:
            self.send(EXAMINE_ROOT)
            assert self.until_done().code == 0

    def answer(self) -> Answer | None:
        """The next message; None: the server has hung up."""
        header = self.lines.read(2)
        if len(header) < 2:
            return None
        octets = header
        if header[1] & 0x80:
            octets += self.lines.read(header[1] & 0x7F)
        size = ber.size_of(octets, SEQUENCE)
        assert size is not None
        return Answer(octets + self.lines.read(size - len(octets)))

    def until_done(self) -> Answer:
        """The next result, behind the entries that come before it; their names are kept."""
        self.names: list[str] = []
        while True:
            answer = self.answer()
            assert answer is not None, "the server has hung up"
            if answer.tag != 0x64:
                return answer
            self.names.append(answer.name)

    def ask(self, octets: bytes) -> Answer:
        self.send(octets)
        return self.until_done()

    def log_in(self, name: str = "alice@example.com") -> Talk:
        assert self.ask(bind(90, name)).code == 0
        return self

    def has_ended(self) -> bool:
        """Whether nothing but the end comes now."""
        return self.answer() is None
