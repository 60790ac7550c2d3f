"""The sending side of one SMTP transaction: MAIL, RCPT and the message, pipelined or in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from protocols.smtp.dots import CanonicalLines, DotStuffer
from protocols.smtp.outgoing import (
    Body,
    Outcome,
    OutgoingEnvelope,
    Stage,
    Unsendable,
    Verdict,
    mail_command,
    rcpt_command,
)
from protocols.smtp.replies import Reply

PIPELINED_BDAT_BYTES = 64 * 1024  # a bigger message waits until somebody is to get it


class Wire(Protocol):
    """What a transaction needs of its connection."""

    extensions: dict[str, str]

    def write(self, data: bytes) -> None: ...
    def expect(self, stage: Stage, act: Callable[[Reply], None]) -> None: ...
    def want_body(self) -> None: ...
    def lose_step(self) -> None:
        """The reply has no meaning here: the connection cannot be trusted any more."""

    @property
    def awaits_reply(self) -> bool: ...


class AsIs:
    """Lines of a BINARYMIME message: any octet may stand anywhere. RFC 3030 §3."""

    __slots__ = ()

    def encode(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self) -> bytes:
        return b""


class Transaction:
    """One message on its way; `outcomes` fills as replies come in."""

    __slots__ = (
        "_accepted",
        "_body",
        "_envelope",
        "_framing",
        "_is_given_up",
        "_rcpts",
        "_unanswered",
        "_wire",
        "is_writing",
        "outcomes",
        "stays_open",
    )

    def __init__(self, wire: Wire, envelope: OutgoingEnvelope, body: bytes | None) -> None:
        self.outcomes: list[Outcome | None] = [None] * len(envelope.recipients)
        self.is_writing = False  # the caller gives the body, chunk by chunk
        self.stays_open = True  # no end of data yet: RSET must come before the next MAIL
        self._wire = wire
        self._envelope = envelope
        self._body = body
        self._framing = self._choose_framing(envelope)
        self._accepted: list[int] = []
        self._unanswered: deque[int] = deque()  # recipients whose RCPT awaits its reply
        self._rcpts: deque[tuple[int, bytes]] = deque()  # not yet written
        self._is_given_up = False  # nothing of the message is to be written any more

    def _choose_framing(self, envelope: OutgoingEnvelope) -> DotStuffer | CanonicalLines | AsIs:
        """BDAT where it saves a round trip or is the only way; else DATA, which all can do."""
        extensions = self._wire.extensions
        if envelope.body is Body.BINARY:
            return AsIs()
        if (
            self._body is not None
            and len(self._body) <= PIPELINED_BDAT_BYTES
            and "CHUNKING" in extensions
            and "PIPELINING" in extensions
        ):
            return CanonicalLines()
        return DotStuffer()

    @property
    def is_complete(self) -> bool:
        """Nothing is left to write; with no reply awaited, the message is done with."""
        return not self.is_writing and not self._rcpts

    def begin(self) -> None:
        """Write what can be written; nothing is, if the server cannot take this message."""
        envelope, extensions = self._envelope, self._wire.extensions
        try:
            mail = mail_command(envelope, extensions)
        except Unsendable as error:
            self.settle_rest(Verdict.FAILED, error.reply, Stage.MAIL, by_peer=False)
            return
        for index, recipient in enumerate(envelope.recipients):
            try:
                self._rcpts.append((index, rcpt_command(recipient, extensions)))
            except Unsendable as error:
                self._settle((index,), Verdict.FAILED, error.reply, Stage.RCPT, by_peer=False)
        if not self._rcpts:
            return
        self._wire.write(mail)
        self._wire.expect(Stage.MAIL, self._mail_answered)
        if "PIPELINING" in extensions:
            while self._rcpts:
                self._write_rcpt()
            self._write_data_pipelined()

    # --- envelope ---

    def _write_rcpt(self) -> None:
        index, line = self._rcpts.popleft()
        self._unanswered.append(index)
        self._wire.write(line)
        self._wire.expect(Stage.RCPT, self._rcpt_answered)

    def _mail_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._go_on()
        elif reply.code // 100 == 3:
            self._wire.lose_step()
        else:
            self.settle_rest(_verdict(reply), reply, Stage.MAIL)
            self._rcpts.clear()
            self._is_given_up = True

    def _rcpt_answered(self, reply: Reply) -> None:
        index = self._unanswered.popleft()
        kind = reply.code // 100
        if kind == 3:
            self._wire.lose_step()
            return
        if self.outcomes[index] is None:
            if kind == 2:
                self._accepted.append(index)
            else:
                self._settle((index,), _rcpt_verdict(reply), reply, Stage.RCPT)
        self._go_on()

    def _go_on(self) -> None:
        """Without PIPELINING, or with a message to be held back: the next step, if it is time."""
        if self._rcpts:
            self._write_rcpt()
        elif not self._wire.awaits_reply and self._accepted:
            self._write_data()

    # --- the message ---

    def _write_data_pipelined(self) -> None:
        if isinstance(self._framing, DotStuffer):
            self._write_data()
        elif self._body is not None and len(self._body) <= PIPELINED_BDAT_BYTES:
            self._write_chunk(self._framing.encode(self._body) + self._framing.finish(), last=True)

    def _write_data(self) -> None:
        if isinstance(self._framing, DotStuffer):
            self._wire.write(b"DATA\r\n")
            self._wire.expect(Stage.DATA, self._data_answered)
        elif self._body is not None:
            self._write_chunk(self._framing.encode(self._body) + self._framing.finish(), last=True)
        else:
            self._want_body()

    def _write_chunk(self, data: bytes, *, last: bool = False) -> None:
        self._wire.write(b"BDAT %d%b\r\n" % (len(data), b" LAST" if last else b""))
        self._wire.write(data)
        if last:
            self._wire.expect(Stage.END_OF_DATA, self._message_answered)
        else:
            self._wire.expect(Stage.DATA, self._chunk_answered)

    def _data_answered(self, reply: Reply) -> None:
        kind = reply.code // 100
        if kind == 2 or (kind == 3 and reply.code != 354):
            self._wire.lose_step()
        elif kind != 3:
            self._settle(self._accepted, _verdict(reply), reply, Stage.DATA)
        elif not self._accepted:
            # RFC 2920 §3.1: a server may say 354 though it took nobody: an empty message ends it.
            self._wire.write(b".\r\n")
            self._wire.expect(Stage.END_OF_DATA, self._message_answered)
        elif self._body is not None:
            self._wire.write(self._framing.encode(self._body))
            self._wire.write(self._framing.finish())
            self._wire.expect(Stage.END_OF_DATA, self._message_answered)
        else:
            self._want_body()

    def _want_body(self) -> None:
        self.is_writing = True
        self._wire.want_body()

    def write_body(self, chunk: bytes) -> None:
        if self._is_given_up:
            return
        data = self._framing.encode(chunk)
        if isinstance(self._framing, DotStuffer):
            self._wire.write(data)
        elif data:
            self._write_chunk(data)

    def end_body(self) -> None:
        self.is_writing = False
        if self._is_given_up:
            return
        rest = self._framing.finish()
        if isinstance(self._framing, DotStuffer):
            self._wire.write(rest)
            self._wire.expect(Stage.END_OF_DATA, self._message_answered)
        else:
            self._write_chunk(rest, last=True)

    def _chunk_answered(self, reply: Reply) -> None:
        kind = reply.code // 100
        if kind == 3:
            self._wire.lose_step()
        elif kind != 2:
            self._settle(self._accepted, _verdict(reply), reply, Stage.DATA)
            self._is_given_up = True
            self.is_writing = False

    def _message_answered(self, reply: Reply) -> None:
        kind = reply.code // 100
        if kind == 3:
            self._wire.lose_step()
            return
        self.stays_open = kind != 2
        self._settle(self._accepted, _verdict(reply), reply, Stage.END_OF_DATA)

    def refuse_early(self, reply: Reply) -> None:
        """The server would not hear the end of the message."""
        if reply.code >= 400:
            self._settle(self._accepted, _verdict(reply), reply, Stage.DATA)
        self._is_given_up = True

    # --- outcomes ---

    def settle_rest(
        self, verdict: Verdict, reply: Reply, stage: Stage, *, by_peer: bool = True
    ) -> None:
        """The same outcome for everybody who has none yet."""
        self._settle(range(len(self.outcomes)), verdict, reply, stage, by_peer=by_peer)

    def _settle(
        self,
        indexes: list[int] | range | tuple[int, ...],
        verdict: Verdict,
        reply: Reply,
        stage: Stage,
        *,
        by_peer: bool = True,
    ) -> None:
        outcome = Outcome(verdict, reply, stage, by_peer)
        for index in indexes:
            if self.outcomes[index] is None:
                self.outcomes[index] = outcome


def _verdict(reply: Reply) -> Verdict:
    if reply.code < 300:
        return Verdict.DELIVERED
    return Verdict.FAILED if reply.code >= 500 else Verdict.DEFERRED


def _rcpt_verdict(reply: Reply) -> Verdict:
    """RFC 5321 §4.5.3.1.10: 552 to RCPT was once how servers said too many recipients."""
    if reply.code == 552 and reply.enhanced in ("", "5.5.3"):
        return Verdict.DEFERRED
    return _verdict(reply)
