"""What a session with another server tells the transport that carries it."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.smtp.outgoing import Outcome, Stage
from protocols.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class Ready:
    """The session takes a message: `send` or `quit` may be called."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Start TLS on the transport now, then call `tls_started` or `tls_failed`."""


@dataclass(frozen=True, slots=True)
class BodyWanted:
    """Somebody is to get the message: `write_body` its chunks, then `end_body`."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The message is done with; `outcomes` stand in the order of the recipients."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the other side said to the command of `ask`; `Closed` instead of it: nothing."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """No message can be sent in this session; `Closed` follows."""

    reply: Reply
    stage: Stage
    by_peer: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The session has ended: write what `take` gives, then close the transport."""


Event = Ready | StartTls | BodyWanted | Finished | Answered | SessionRefused | Closed
READY, START_TLS, BODY_WANTED, CLOSED = Ready(), StartTls(), BodyWanted(), Closed()
