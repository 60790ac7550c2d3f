"""Parameters of MAIL and RCPT, each with its own grammar. RFC 5321 §4.1.1.11."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from protocols.address import Address, MalformedAddress

MAX_ENVELOPE_ID_BYTES = 100  # RFC 3461 §4.4
MAX_ORIGINAL_RECIPIENT_BYTES = 500  # RFC 3461 §4.2


class BadParameter(Exception):
    """A parameter is known and its value is wrong, or it came twice."""


class UnknownParameter(Exception):
    """No extension that this server offers has this parameter."""


class Body(enum.Enum):
    """What the bytes of the message may hold. RFC 6152 §3, RFC 3030 §3."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Return(enum.Enum):
    """How much of the message a failure report brings back. RFC 3461 §4.3."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(enum.Flag):
    """When the sender wants a report on a recipient. RFC 3461 §4.1."""

    NEVER = 0
    SUCCESS = enum.auto()
    FAILURE = enum.auto()
    DELAY = enum.auto()


@dataclass(frozen=True, slots=True)
class MailParameters:
    """None: the client did not say."""

    size_bytes: int | None = None
    body: Body | None = None
    smtputf8: bool = False
    returns: Return | None = None
    envelope_id: str | None = None  # decoded from xtext
    submitter: str | None = None  # AUTH=; empty for <>, which vouches for nobody. RFC 4954 §5
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class OriginalRecipient:
    """ORCPT: the address as its sender first wrote it, for reports. RFC 3461 §4.2, RFC 6533 §3."""

    address_type: str  # "rfc822" or "utf-8" as a rule, in lower case
    address: str

    def __str__(self) -> str:
        """As reports write it, without the wire's encoding. RFC 3464 §2.3.1."""
        return f"{self.address_type};{self.address}"

    def encode(self) -> str:
        """The parameter's value, ready for the wire."""
        if self.address_type == "utf-8":
            return f"utf-8;{_encode_utf8_address(self.address)}"
        return f"{self.address_type};{encode_xtext(self.address)}"


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """None: the client did not say."""

    notify: Notify | None = None
    original_recipient: OriginalRecipient | None = None


NO_MAIL_PARAMETERS = MailParameters()
NO_RCPT_PARAMETERS = RcptParameters()


@lru_cache(maxsize=1024)
def parse_mail_parameters(text: str) -> MailParameters:
    """What follows the path of MAIL. Raises BadParameter, UnknownParameter."""
    changes: dict[str, object] = {}
    for keyword, value in _split(text):
        rule = _MAIL.get(keyword)
        if rule is None:
            raise UnknownParameter(keyword)
        field, parse = rule
        if field in changes:
            raise BadParameter(keyword)
        changes[field] = parse(value)
    return MailParameters(**changes)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def parse_rcpt_parameters(text: str) -> RcptParameters:
    """What follows the path of RCPT. Raises BadParameter, UnknownParameter."""
    changes: dict[str, object] = {}
    for keyword, value in _split(text):
        rule = _RCPT.get(keyword)
        if rule is None:
            raise UnknownParameter(keyword)
        field, parse = rule
        if field in changes:
            raise BadParameter(keyword)
        changes[field] = parse(value)
    return RcptParameters(**changes)  # type: ignore[arg-type]


# RFC 5321 §4.1.2 esmtp-param; RFC 6531 §3.3 lets values be UTF-8.
_PARAMETER = re.compile(
    r"(?P<keyword>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[!-<>-~\x80-\U0010ffff]+))?"
)


def _split(text: str) -> list[tuple[str, str | None]]:
    parameters = []
    for word in text.split(" "):
        if not word:
            continue
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise BadParameter(word)
        parameters.append((match["keyword"].upper(), match["value"]))
    return parameters


_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_XTEXT_ESCAPE = re.compile(r"\+([0-9A-F]{2})")
_XTEXT_SPECIAL = re.compile(r"[^!-*,-<>-~]")
# RFC 6533 §3: utf-8-addr-xtext and utf-8-addr-unitext in one.
_UTF8_ADDRESS = re.compile(r"(?:[!-*,-<>-\[\]-~\x80-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})*")
_UTF8_ESCAPE = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_UTF8_SPECIAL = re.compile(r"[^!-*,-<>-\[\]-~\x80-\U0010ffff]")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def decode_xtext(text: str) -> str:
    """Undo `+2B`. Raises BadParameter if it is no xtext of printable ASCII. RFC 3461 §4."""
    if not _XTEXT.fullmatch(text):
        raise BadParameter(text)
    decoded = _XTEXT_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    if not (decoded.isascii() and (decoded.isprintable() or not decoded)):
        raise BadParameter(text)
    return decoded


def encode_xtext(text: str) -> str:
    """The opposite of `decode_xtext`, for printable ASCII."""
    return _XTEXT_SPECIAL.sub(lambda match: f"+{ord(match[0]):02X}", text)


def _encode_utf8_address(text: str) -> str:
    return _UTF8_SPECIAL.sub(lambda match: f"\\x{{{ord(match[0]):02X}}}", text)


def _decode_utf8_address(text: str) -> str:
    if not _UTF8_ADDRESS.fullmatch(text):
        raise BadParameter(text)
    try:
        decoded = _UTF8_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        decoded.encode()
    except (ValueError, OverflowError) as error:
        raise BadParameter(text) from error
    if not decoded.isprintable():
        raise BadParameter(text)
    return decoded


def _size(value: str | None) -> int:
    # RFC 1870 §3: up to 20 digits.
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 20:
        raise BadParameter("SIZE")
    return int(value)


def _body(value: str | None) -> Body:
    try:
        return Body((value or "").upper())
    except ValueError as error:
        raise BadParameter("BODY") from error


def _smtputf8(value: str | None) -> bool:
    if value is not None:
        raise BadParameter("SMTPUTF8")
    return True


def _returns(value: str | None) -> Return:
    try:
        return Return((value or "").upper())
    except ValueError as error:
        raise BadParameter("RET") from error


def _envelope_id(value: str | None) -> str:
    if not value or len(value) > MAX_ENVELOPE_ID_BYTES:
        raise BadParameter("ENVID")
    return decode_xtext(value)


def _submitter(value: str | None) -> str:
    if not value:
        raise BadParameter("AUTH")
    decoded = decode_xtext(value)
    if decoded == "<>":
        return ""
    try:
        return Address.parse(decoded).encode()
    except MalformedAddress as error:
        raise BadParameter("AUTH") from error


_PRIORITY = re.compile(r"-?[0-9]")


def _priority(value: str | None) -> int:
    if value is None or not _PRIORITY.fullmatch(value):
        raise BadParameter("MT-PRIORITY")
    return int(value)


def _notify(value: str | None) -> Notify:
    words = (value or "").upper().split(",")
    if words == ["NEVER"]:
        return Notify.NEVER
    notify = Notify.NEVER
    for word in words:
        if word not in ("SUCCESS", "FAILURE", "DELAY"):
            raise BadParameter("NOTIFY")
        notify |= Notify[word]
    return notify


def _original_recipient(value: str | None) -> OriginalRecipient:
    address_type, semicolon, address = (value or "").partition(";")
    too_long = len((value or "").encode("utf-8", "replace")) > MAX_ORIGINAL_RECIPIENT_BYTES
    if too_long or not (semicolon and address and _ADDRESS_TYPE.fullmatch(address_type)):
        raise BadParameter("ORCPT")
    if address_type.lower() == "utf-8":
        return OriginalRecipient("utf-8", _decode_utf8_address(address))
    return OriginalRecipient(address_type.lower(), decode_xtext(address))


_Rule = tuple[str, Callable[[str | None], object]]

_MAIL: dict[str, _Rule] = {
    "SIZE": ("size_bytes", _size),
    "BODY": ("body", _body),
    "SMTPUTF8": ("smtputf8", _smtputf8),
    "RET": ("returns", _returns),
    "ENVID": ("envelope_id", _envelope_id),
    "AUTH": ("submitter", _submitter),
    "MT-PRIORITY": ("priority", _priority),
}
_RCPT: dict[str, _Rule] = {
    "NOTIFY": ("notify", _notify),
    "ORCPT": ("original_recipient", _original_recipient),
}
