"""SMTP commands as values, and the table that says when each is legal. RFC 5321 §4.1.

A command that is well-formed may still be refused: limits and policy are the session's business.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from protocols.address import Address, MalformedAddress, strip_source_route
from protocols.smtp import replies
from protocols.smtp.parameters import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    BadParameter,
    MailParameters,
    RcptParameters,
    UnknownParameter,
    parse_mail_parameters,
    parse_rcpt_parameters,
)
from protocols.smtp.replies import Reply

# RFC 5321 §4.5.3.1.4: 512 octets, to which extensions add for some verbs: SIZE, DSN, AUTH= and
# UTF-8 for MAIL and RCPT, and for AUTH the 12288 of RFC 4954 §4. CRLF is counted.
MAX_COMMAND_BYTES = 12288
_COMMAND_BYTES = {b"MAIL": 2048, b"RCPT": 2048, b"AUTH": MAX_COMMAND_BYTES}
_OTHER_COMMAND_BYTES = 512
MAX_CHUNK_SIZE = 10**12  # BDAT sizes beyond this are nonsense, not mail


class Malformed(Exception):
    """The line is not a well-formed command; `reply` says so to the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Ehlo:
    """`domain` is what the client calls itself: shown in Received, believed by nobody."""

    domain: str


@dataclass(frozen=True, slots=True)
class Helo:
    """EHLO of the time before extensions."""

    domain: str


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM:<reverse-path>; `sender` is None for `<>`, which reports use."""

    sender: Address | None
    parameters: MailParameters = NO_MAIL_PARAMETERS


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO:<forward-path> names one recipient of the message. RFC 5321 §4.1.1.3."""

    recipient: Address
    parameters: RcptParameters = NO_RCPT_PARAMETERS


@dataclass(frozen=True, slots=True)
class Data:
    """The message follows, line by line, until a lone dot."""


@dataclass(frozen=True, slots=True)
class Bdat:
    """`size_bytes` octets of the message follow at once. RFC 3030 §2."""

    size_bytes: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Rset:
    """Forget the transaction."""


@dataclass(frozen=True, slots=True)
class Noop:
    """Nothing; an argument is ignored."""


@dataclass(frozen=True, slots=True)
class Vrfy:
    """Is there such a mailbox? Never told."""


@dataclass(frozen=True, slots=True)
class Expn:
    """Who is on this list? Never told."""


@dataclass(frozen=True, slots=True)
class Help:
    """Words for people on a terminal."""


@dataclass(frozen=True, slots=True)
class Quit:
    """The client is done."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Turn to TLS now; everything known before is forgotten. RFC 3207 §4.2."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH mechanism [initial-response], the response still in base64. RFC 4954 §4."""

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return f"Auth(mechanism={self.mechanism!r}, initial=...)"


Command = (
    Ehlo | Helo | Mail | Rcpt | Data | Bdat | Rset | Noop | Vrfy | Expn | Help | Quit
    | StartTls | Auth
)  # fmt: skip


class State(enum.Enum):
    """How far a session has come. RFC 5321 §4.1.4."""

    CONNECTED = "before EHLO"
    GREETED = "after EHLO"
    MAIL = "a sender is known"
    RCPT = "a recipient is known"
    CHUNKS = "part of the message is here, by BDAT"


ANY_TIME: frozenset[type[Command]] = frozenset({Ehlo, Helo, Rset, Noop, Vrfy, Expn, Help, Quit})
LEGAL: dict[State, frozenset[type[Command]]] = {
    State.CONNECTED: ANY_TIME,
    State.GREETED: ANY_TIME | {Mail, StartTls, Auth},
    State.MAIL: ANY_TIME | {Rcpt},
    State.RCPT: ANY_TIME | {Rcpt, Data, Bdat},
    State.CHUNKS: ANY_TIME | {Bdat},
}


def parse(line: bytes) -> Command:
    """Read one command line without its CRLF. Raises Malformed."""
    verb = line[:4].upper()
    if len(line) + 2 > _COMMAND_BYTES.get(verb, _OTHER_COMMAND_BYTES):
        raise Malformed(replies.LINE_TOO_LONG)
    if b"\r" in line or b"\n" in line or b"\0" in line:
        raise Malformed(replies.BAD_LINE)
    parser = _PARSERS.get(verb)
    if parser is None or line[4:5] not in _AFTER_VERB:
        return _parse_long_verb(line)
    try:
        argument = line[5:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(replies.BAD_SYNTAX) from error
    return parser(argument)


_AFTER_VERB = (b" ", b"")


def _parse_long_verb(line: bytes) -> Command:
    """STARTTLS is the one verb that is not four letters long."""
    if line[:8].upper() != b"STARTTLS" or line[8:9] not in _AFTER_VERB:
        raise Malformed(replies.NOT_RECOGNISED)
    if line[9:].strip(b" "):
        raise Malformed(replies.NO_ARGUMENT_ALLOWED)
    return StartTls()


# RFC 5321 §3.3 forbids a space after the colon, yet Outlook sends one: forgiven. The quoted
# string is spelt out because it may hold ">" and spaces.
_PATH = r": ?<(?P<path>(?:[^<>\"\\]|\"(?:[^\"\\]|\\.)*\")*)>(?: +(?P<parameters>.*))?"
_FROM = re.compile("FROM" + _PATH, re.IGNORECASE | re.DOTALL)
_TO = re.compile("TO" + _PATH, re.IGNORECASE | re.DOTALL)


def _parse_mail(argument: str) -> Mail:
    match = _FROM.fullmatch(argument)
    if match is None:
        raise Malformed(replies.MALFORMED_SENDER)
    path, text = match.groups()
    try:
        sender = Address.parse(strip_source_route(path)) if path else None
        parameters = parse_mail_parameters(text) if text else NO_MAIL_PARAMETERS
    except MalformedAddress as error:
        raise Malformed(replies.MALFORMED_SENDER) from error
    except BadParameter as error:
        raise Malformed(replies.BAD_PARAMETER) from error
    except UnknownParameter as error:
        raise Malformed(replies.UNKNOWN_PARAMETER) from error
    if not parameters.smtputf8 and not argument.isascii():
        raise Malformed(replies.NON_ASCII_ADDRESS)
    return Mail(sender, parameters)


def _parse_rcpt(argument: str) -> Rcpt:
    match = _TO.fullmatch(argument)
    if match is None:
        raise Malformed(replies.MALFORMED_RECIPIENT)
    path, text = match.groups()
    try:
        recipient = _recipient(strip_source_route(path))
        parameters = parse_rcpt_parameters(text) if text else NO_RCPT_PARAMETERS
    except MalformedAddress as error:
        raise Malformed(replies.MALFORMED_RECIPIENT) from error
    except BadParameter as error:
        raise Malformed(replies.BAD_PARAMETER) from error
    except UnknownParameter as error:
        raise Malformed(replies.UNKNOWN_PARAMETER) from error
    return Rcpt(recipient, parameters)


def _recipient(path: str) -> Address:
    # RFC 5321 §4.5.1: <postmaster> alone, in any case, must be understood.
    if path.lower() == "postmaster":
        return Address("postmaster", "")
    return Address.parse(path)


# RFC 5321 §4.1.1.1 wants a domain or a literal; real clients send bare names, underscores and
# worse. It is only written into Received, so all that can do no harm there is taken.
_CLIENT_NAME = re.compile(r"[!-'*-:=?-\[\]-~]{1,255}")


def _client_name(argument: str) -> str:
    name = argument.strip(" ")
    if not _CLIENT_NAME.fullmatch(name):
        raise Malformed(replies.BAD_SYNTAX)
    return name


_BDAT = re.compile(r"(?P<size>[0-9]{1,20})(?: +(?P<last>LAST))? *", re.IGNORECASE | re.ASCII)


def _parse_bdat(argument: str) -> Bdat:
    match = _BDAT.fullmatch(argument)
    if match is None or int(match["size"]) > MAX_CHUNK_SIZE:
        raise Malformed(replies.BAD_SYNTAX)
    return Bdat(int(match["size"]), match["last"] is not None)


_AUTH = re.compile(r"(?P<mechanism>[A-Za-z0-9_-]{1,20})(?: +(?P<initial>[A-Za-z0-9+/=]+))? *")


def _parse_auth(argument: str) -> Auth:
    match = _AUTH.fullmatch(argument)
    if match is None:
        raise Malformed(replies.BAD_SYNTAX)
    initial = match["initial"]
    return Auth(match["mechanism"].upper(), None if initial is None else initial.encode("ascii"))


def _without_argument(command: Command) -> Callable[[str], Command]:
    def parse_nothing(argument: str) -> Command:
        if argument.strip(" "):
            raise Malformed(replies.NO_ARGUMENT_ALLOWED)
        return command

    return parse_nothing


def _with_any_argument(command: Command) -> Callable[[str], Command]:
    return lambda argument: command


def _with_some_argument(command: Command) -> Callable[[str], Command]:
    def parse_something(argument: str) -> Command:
        if not argument.strip(" "):
            raise Malformed(replies.BAD_SYNTAX)
        return command

    return parse_something


_PARSERS: dict[bytes, Callable[[str], Command]] = {
    b"EHLO": lambda argument: Ehlo(_client_name(argument)),
    b"HELO": lambda argument: Helo(_client_name(argument)),
    b"MAIL": _parse_mail,
    b"RCPT": _parse_rcpt,
    b"DATA": _without_argument(Data()),
    b"BDAT": _parse_bdat,
    b"RSET": _without_argument(Rset()),
    b"NOOP": _with_any_argument(Noop()),
    b"VRFY": _with_some_argument(Vrfy()),
    b"EXPN": _with_some_argument(Expn()),
    b"HELP": _with_any_argument(Help()),
    b"QUIT": _without_argument(Quit()),
    b"AUTH": _parse_auth,
}
