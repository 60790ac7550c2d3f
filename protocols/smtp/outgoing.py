"""One message to send: its envelope as MAIL and RCPT lines, and what became of each recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

import idna

from protocols.smtp.replies import Reply


class Verdict(Enum):
    """What one try came to for one recipient."""

    DELIVERED = "delivered"  # the other side has taken the duty
    DEFERRED = "deferred"  # to be tried again
    FAILED = "failed"  # never again: the sender is told


class Stage(Enum):
    """The step at which an outcome was decided."""

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end of data"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to for one recipient, and the words that decided it."""

    verdict: Verdict
    reply: Reply
    stage: Stage
    by_peer: bool  # False: the reply is ours, the other side did not say it


class Body(Enum):
    """What the octets of a message need. RFC 6152, RFC 3030."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


@dataclass(frozen=True, slots=True)
class OutgoingRecipient:
    """One RCPT; `notify` and `orcpt` as RFC 3461 §4.1 and §4.2 write them, before xtext."""

    address: str
    notify: str | None = None  # "NEVER" or "SUCCESS,FAILURE,DELAY"
    orcpt: str | None = None  # "rfc822;Bob@Example.COM"


@dataclass(frozen=True, slots=True)
class OutgoingEnvelope:
    """The envelope of one transaction; an empty `sender` is the null reverse-path."""

    sender: str
    recipients: tuple[OutgoingRecipient, ...]
    size_bytes: int
    body: Body = Body.SEVEN_BIT
    needs_smtputf8: bool = False  # header fields with UTF-8; addresses are looked at by themselves
    ret: str | None = None  # "FULL" or "HDRS"
    envid: str | None = None


TOO_BIG = Reply(552, "5.3.4", "Message is bigger than the other server takes")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "The other server cannot take internationalized mail")
NEEDS_BINARY = Reply(554, "5.6.3", "The other server cannot take binary mail")
BAD_SENDER = Reply(553, "5.1.7", "Sender address cannot be sent")
BAD_RECIPIENT = Reply(553, "5.1.3", "Recipient address cannot be sent")

_UNSAFE = re.compile("[\x00-\x1f\x7f<>]")  # a line end in an address would be a command
_XTEXT_UNSAFE = re.compile(rb"[^!-*,-<>-~]")  # RFC 3461 §4: all but "!" to "~", "+" and "="


class Unsendable(Exception):
    """This envelope or address cannot be sent to that server; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def mail_command(envelope: OutgoingEnvelope, extensions: dict[str, str]) -> bytes:
    """The MAIL line with the parameters that the server offers.

    Raises Unsendable if the server lacks what the message cannot do without.
    """
    parameters: list[str] = []
    if "SIZE" in extensions:
        limit = extensions["SIZE"]
        if limit.isdecimal() and 0 < int(limit[:19]) < envelope.size_bytes:
            raise Unsendable(TOO_BIG)  # RFC 1870 §6.1: 0 is no limit
        parameters.append(f" SIZE={envelope.size_bytes}")
    if envelope.body is not Body.SEVEN_BIT:
        parameters.append(_body_parameter(envelope.body, extensions))
    utf8 = "SMTPUTF8" in extensions
    if envelope.needs_smtputf8 or _needs_smtputf8(envelope, utf8):
        if not utf8:
            raise Unsendable(NEEDS_SMTPUTF8)
        parameters.append(" SMTPUTF8")
    if "DSN" in extensions:
        if envelope.ret:
            parameters.append(f" RET={envelope.ret}")
        if envelope.envid:
            parameters.append(f" ENVID={xtext(envelope.envid)}")
    sender = wire_address(envelope.sender, utf8=utf8)
    if sender is None:
        raise Unsendable(BAD_SENDER)
    return b"MAIL FROM:<%b>%b\r\n" % (sender, "".join(parameters).encode())


def rcpt_command(recipient: OutgoingRecipient, extensions: dict[str, str]) -> bytes:
    """The RCPT line. Raises Unsendable if the server cannot be told this address."""
    address = wire_address(recipient.address, utf8="SMTPUTF8" in extensions)
    if not address:
        is_bad = _UNSAFE.search(recipient.address) or not recipient.address
        raise Unsendable(BAD_RECIPIENT if is_bad else NEEDS_SMTPUTF8)
    if "DSN" not in extensions or not (recipient.notify or recipient.orcpt):
        return b"RCPT TO:<%b>\r\n" % address
    notify = f" NOTIFY={recipient.notify}" if recipient.notify else ""
    orcpt = ""
    if recipient.orcpt:
        kind, _, value = recipient.orcpt.partition(";")
        orcpt = f" ORCPT={kind};{xtext(value)}"
    return b"RCPT TO:<%b>%b\r\n" % (address, f"{notify}{orcpt}".encode())


def wire_address(address: str, *, utf8: bool) -> bytes | None:
    """`address` as it goes over the wire; None if it cannot.

    Without SMTPUTF8 a domain is sent as A-labels (RFC 5891); a local part has no such form.
    """
    if _UNSAFE.search(address):
        return None
    if address.isascii() or utf8:
        return address.encode("utf-8", "replace")
    local_part, _, domain = address.rpartition("@")
    if not local_part.isascii():
        return None
    try:
        return local_part.encode() + b"@" + idna.encode(domain, uts46=True)
    except (idna.IDNAError, UnicodeError):
        return None


def xtext(text: str) -> str:
    """RFC 3461 §4: printable ASCII, all else as +XX."""
    octets = text.encode("utf-8", "replace")
    return _XTEXT_UNSAFE.sub(lambda found: b"+%02X" % found[0][0], octets).decode("ascii")


def _needs_smtputf8(envelope: OutgoingEnvelope, utf8: bool) -> bool:
    if envelope.sender.isascii():
        return utf8 and not all(rcpt.address.isascii() for rcpt in envelope.recipients)
    return utf8 or wire_address(envelope.sender, utf8=False) is None


def _body_parameter(body: Body, extensions: dict[str, str]) -> str:
    if body is Body.BINARY and not {"BINARYMIME", "CHUNKING"} <= extensions.keys():
        raise Unsendable(NEEDS_BINARY)
    # Sent as it is where 8BITMIME is not offered: nearly all such servers pass eight bits,
    # and whoever wants it strict converts the message before it comes here.
    if body is Body.EIGHT_BIT and "8BITMIME" not in extensions:
        return ""
    return f" BODY={body.value}"
