"""The sending side of an SMTP connection, sans-IO: from the greeting to QUIT. RFC 5321.

A caller feeds `receive`, `tls_started`, `timed_out` and `closed`, acts on the events that these
return, and writes what `take` gives. Whatever the other side sends, every recipient handed to
`send` ends with exactly one Outcome, and nothing is raised but ClientMisused: the caller's bug.
Spoken: PIPELINING (RFC 2920), STARTTLS (3207), AUTH (4954), CHUNKING (3030), SIZE (1870),
8BITMIME (6152), SMTPUTF8 (6531), DSN (3461), LIMITS (9422).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections import deque
from collections.abc import Callable
from enum import Enum

from protocols.sasl_client import ClientExchange, ServerNotTrusted
from protocols.smtp.clientevents import (
    BODY_WANTED,
    CLOSED,
    READY,
    START_TLS,
    Answered,
    Event,
    Finished,
    SessionRefused,
)
from protocols.smtp.outgoing import OutgoingEnvelope, Stage, Verdict
from protocols.smtp.replies import Reply
from protocols.smtp.replyreader import ReplyReader
from protocols.smtp.transaction import Transaction

MAX_EXTENSIONS = 128
MAX_CHALLENGES = 16  # no mechanism asks oftener: a server that does would never end

CONNECTION_LOST = Reply(421, "4.4.2", "Connection closed by the other side")
NO_ANSWER = Reply(421, "4.4.2", "No answer in time")
GARBLED = Reply(421, "4.5.0", "The other side does not speak SMTP")
OUT_OF_STEP = Reply(421, "4.5.0", "The other side answered out of step")
TLS_MISSING = Reply(454, "4.7.5", "Encryption is required and not offered")
TLS_BROKEN = Reply(454, "4.7.5", "Encryption could not be started")
NOT_TRUSTED = Reply(454, "4.7.0", "The other side could not show that it knows the password")
NO_MECHANISM = Reply(454, "4.7.0", "No way to log in that both sides know")

# RFC 5321 §4.5.3.2; it gives none for EHLO, STARTTLS and AUTH.
TIMEOUT_SECONDS = {
    Stage.GREETING: 300,
    Stage.HELLO: 300,
    Stage.TLS: 120,
    Stage.AUTH: 120,
    Stage.MAIL: 300,
    Stage.RCPT: 300,
    Stage.DATA: 120,
    Stage.END_OF_DATA: 600,
}
WRITE_TIMEOUT_SECONDS = 180  # RFC 5321 §4.5.3.2.5: each block of data


class ClientMisused(Exception):
    """A method was called in a state that does not know it."""


class Tls(Enum):
    """What a session does about STARTTLS."""

    NEVER = "never"
    IF_OFFERED = "if offered"
    REQUIRED = "required"
    ALREADY = "already"  # the connection began with TLS


# Chooses by what is offered and whether the connection is encrypted; None: nothing fits.
ChooseSasl = Callable[[frozenset[str], bool], ClientExchange | None]


class SmtpClient:
    """One connection: one message at a time, as many as the other side takes."""

    def __init__(
        self, *, helo: str, tls: Tls = Tls.IF_OFFERED, choose_sasl: ChooseSasl | None = None
    ) -> None:
        self.extensions: dict[str, str] = {}  # keyword in capitals -> its parameters
        self.is_encrypted = tls is Tls.ALREADY
        self.is_ready = False
        self.is_closed = False
        self._helo = helo.encode("ascii", "replace")
        self._tls = tls
        self._choose_sasl = choose_sasl
        self._sasl: ClientExchange | None = None
        self._challenges = 0
        self._reader = ReplyReader()
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._awaited: deque[tuple[Stage, Callable[[Reply], None]]] = deque()
        self._stage = Stage.GREETING
        self._transaction: Transaction | None = None
        self._needs_rset = False
        self._is_established = False
        self._is_starting_tls = False
        self.expect(Stage.GREETING, self._greeted)

    # --- what the transport tells ---

    def receive(self, data: bytes) -> list[Event]:
        """Bytes came in; acts on each whole reply."""
        for reply in self._reader.feed(data):
            if self.is_closed:
                break
            if reply.code == 421:
                self._lose(reply, by_peer=True)  # RFC 5321 §3.8: at any time
            elif self._awaited and not self._is_starting_tls:
                self._stage, act = self._awaited.popleft()
                act(reply)
                transaction = self._transaction
                if transaction is not None and not self._awaited and transaction.is_complete:
                    self._finish(transaction)
            else:
                self._interrupt(reply)
        if self._reader.garbage is not None:
            self._lose(GARBLED)
        elif self._is_starting_tls and self._reader.has_more:
            # RFC 3207 §5: what stands in clear after the 220 was put there by somebody else.
            self.lose_step()
        return self._take_events()

    def closed(self) -> list[Event]:
        """The transport is gone."""
        self._lose(CONNECTION_LOST)
        return self._take_events()

    def timed_out(self) -> list[Event]:
        """Nothing came for `timeout_seconds`."""
        self._lose(NO_ANSWER)
        return self._take_events()

    def tls_started(self) -> list[Event]:
        if not self._is_starting_tls:
            raise ClientMisused("TLS was not asked for")
        self._is_starting_tls = False
        self.is_encrypted = True
        self._hello()  # RFC 3207 §4.2: what was learnt in clear is forgotten
        return self._take_events()

    def tls_failed(self) -> list[Event]:
        """The handshake failed: this connection is of no more use."""
        if not self._is_starting_tls:
            raise ClientMisused("TLS was not asked for")
        self._out.clear()
        self._lose(TLS_BROKEN, stage=Stage.TLS)
        return self._take_events()

    def take(self) -> bytes:
        """What is to be written now; empty if nothing."""
        out = self._out
        if len(out) == 1:
            return out.pop()
        self._out = []
        return b"".join(out)

    @property
    def timeout_seconds(self) -> int | None:
        """How long the other side may take for its next reply; None if none is awaited."""
        return TIMEOUT_SECONDS[self._awaited[0][0]] if self._awaited else None

    # --- what the caller asks ---

    def send(self, envelope: OutgoingEnvelope, body: bytes | None = None) -> list[Event]:
        """Begin a message; `body` is all of it, or None to be asked for it by BodyWanted."""
        if not self.is_ready or not envelope.recipients:
            raise ClientMisused("not ready for a message")
        self.is_ready = False
        self._transaction = transaction = Transaction(self, envelope, body)
        if self._needs_rset:
            self._reset(transaction)
        else:
            transaction.begin()
            if not self._awaited:
                self._finish(transaction)  # nothing of it could be sent
        return self._take_events()

    def ask(self, line: bytes) -> list[Event]:
        """One command outside a message, without its line end: NOOP, or the steps of a call-out."""
        if not self.is_ready or b"\r" in line or b"\n" in line:
            raise ClientMisused("not ready for a command")
        self.is_ready = False
        self._out.append(line + b"\r\n")
        self.expect(Stage.RCPT, self._answered)
        return self._take_events()

    def write_body(self, chunk: bytes) -> None:
        """Part of the message, after BodyWanted; ignored once the outcomes are known."""
        if self._transaction is not None and self._transaction.is_writing:
            self._transaction.write_body(chunk)

    def end_body(self) -> None:
        """All of the message was given."""
        if self._transaction is not None and self._transaction.is_writing:
            self._transaction.end_body()

    def quit(self) -> list[Event]:
        """End the session; `Closed` comes with the answer or the end of the connection."""
        if not self.is_ready:
            raise ClientMisused("a message is under way")
        self.is_ready = False
        self._out.append(b"QUIT\r\n")
        self.expect(Stage.HELLO, self._quit_answered)
        return self._take_events()

    @property
    def max_recipients(self) -> int | None:
        """What the server announces as its limit for one transaction. RFC 9422 §4."""
        for word in self.extensions.get("LIMITS", "").upper().split():
            name, _, value = word.partition("=")
            if name == "RCPTMAX" and value.isdecimal() and len(value) < 7 and int(value):
                return int(value)
        return None

    # --- what a transaction asks ---

    def write(self, data: bytes) -> None:
        self._out.append(data)

    def expect(self, stage: Stage, act: Callable[[Reply], None]) -> None:
        self._awaited.append((stage, act))

    def want_body(self) -> None:
        self._events.append(BODY_WANTED)

    def lose_step(self) -> None:
        self._lose(OUT_OF_STEP)

    @property
    def awaits_reply(self) -> bool:
        return bool(self._awaited)

    # --- the way to Ready ---

    def _greeted(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._hello()
        else:
            self._refuse(reply, Stage.GREETING)

    def _hello(self) -> None:
        self.extensions = {}
        self._out.append(b"EHLO %b\r\n" % self._helo)
        self.expect(Stage.HELLO, self._ehlo_answered)

    def _ehlo_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            for line in reply.text.split("\n")[1:MAX_EXTENSIONS]:
                # "AUTH=PLAIN" is how servers wrote it before RFC 2554.
                line = f"AUTH {line[5:]}" if line[:5].upper() == "AUTH=" else line
                keyword, _, parameters = line.strip().partition(" ")
                self.extensions.setdefault(keyword.upper(), parameters.strip())
            self._secure()
        elif reply.code // 100 == 5:  # RFC 5321 §3.2: an old server may know HELO only
            self._out.append(b"HELO %b\r\n" % self._helo)
            self.expect(Stage.HELLO, self._helo_answered)
        else:
            self._refuse(reply, Stage.HELLO)

    def _helo_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 2:
            self._secure()
        else:
            self._refuse(reply, Stage.HELLO)

    def _secure(self) -> None:
        if self.is_encrypted or self._tls is Tls.NEVER:
            self._log_in()
        elif "STARTTLS" in self.extensions:
            self._out.append(b"STARTTLS\r\n")
            self.expect(Stage.TLS, self._starttls_answered)
        elif self._tls is Tls.REQUIRED:
            self._refuse(TLS_MISSING, Stage.TLS, by_peer=False)
        else:
            self._log_in()

    def _starttls_answered(self, reply: Reply) -> None:
        if reply.code == 220:
            self._is_starting_tls = True
            self._events.append(START_TLS)
        elif self._tls is Tls.REQUIRED:
            self._refuse(reply, Stage.TLS)
        else:
            self._log_in()

    def _log_in(self) -> None:
        if self._choose_sasl is None:
            self._be_ready()
            return
        offered = frozenset(self.extensions.get("AUTH", "").upper().split())
        self._sasl = self._choose_sasl(offered, self.is_encrypted)
        if self._sasl is None:
            self._refuse(NO_MECHANISM, Stage.AUTH, by_peer=False)
            return
        line = b"AUTH " + self._sasl.mechanism.encode("ascii")
        initial = self._sasl.initial
        if initial is not None:
            line += b" " + (b64encode(initial) or b"=")  # RFC 4954 §4
        self._out.append(line + b"\r\n")
        self.expect(Stage.AUTH, self._auth_answered)

    def _auth_answered(self, reply: Reply) -> None:
        self._challenges += 1
        if reply.code // 100 == 2:
            if self._sasl is not None and not self._sasl.may_end:
                self._refuse(NOT_TRUSTED, Stage.AUTH, by_peer=False)
            else:
                self._be_ready()
        elif reply.code == 334 and self._sasl and self._challenges <= MAX_CHALLENGES:
            response = _respond(self._sasl, reply.text)
            self._out.append((b"*" if response is None else b64encode(response)) + b"\r\n")
            self.expect(Stage.AUTH, self._auth_answered)
        else:
            self._refuse(reply, Stage.AUTH)

    def _be_ready(self) -> None:
        self._is_established = self.is_ready = True
        self._events.append(READY)

    # --- one message after the other ---

    def _reset(self, transaction: Transaction) -> None:
        """End what the last message left open, in the same round trip where that is possible."""
        self._needs_rset = False
        self._out.append(b"RSET\r\n")
        if "PIPELINING" in self.extensions:
            self.expect(Stage.MAIL, lambda _reply: None)  # a refusal shows at MAIL
            transaction.begin()
        else:
            self.expect(Stage.MAIL, lambda _reply: transaction.begin())

    def _finish(self, transaction: Transaction) -> None:
        self._transaction = None
        self._needs_rset = transaction.stays_open
        outcomes = tuple(outcome for outcome in transaction.outcomes if outcome is not None)
        self._events.append(Finished(outcomes))
        if not self.is_closed:
            self.is_ready = True

    def _answered(self, reply: Reply) -> None:
        self.is_ready = True
        self._events.append(Answered(reply))

    # --- the end ---

    def _interrupt(self, reply: Reply) -> None:
        """A reply nobody asked for. In the middle of a body it is the answer, come early."""
        if self._transaction is not None and self._transaction.is_writing:
            self._transaction.refuse_early(reply)
        self.lose_step()

    def _quit_answered(self, _reply: Reply) -> None:
        self.is_closed = True
        self._events.append(CLOSED)

    def _refuse(self, reply: Reply, stage: Stage, *, by_peer: bool = True) -> None:
        """Leave politely a server with which nothing can be done."""
        self._out.append(b"QUIT\r\n")
        self._lose(reply, by_peer=by_peer, stage=stage)

    def _lose(self, reply: Reply, *, by_peer: bool = False, stage: Stage | None = None) -> None:
        if self.is_closed:
            return
        stage = stage or (self._awaited[0][0] if self._awaited else self._stage)
        self.is_closed, self.is_ready = True, False
        self._awaited.clear()
        if self._transaction is not None:
            self._transaction.settle_rest(Verdict.DEFERRED, reply, stage, by_peer=by_peer)
            self._finish(self._transaction)
        elif not self._is_established:
            self._events.append(SessionRefused(reply, stage, by_peer))
        self._events.append(CLOSED)

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _respond(sasl: ClientExchange, text: str) -> bytes | None:
    """The answer to the challenge in a 334; None cancels the exchange. RFC 4954 §4."""
    try:
        return sasl.step(b64decode(text.encode("ascii"), validate=True))
    except (NotBase64, UnicodeError, ServerNotTrusted):
        return None
