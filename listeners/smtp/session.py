"""One SMTP conversation: its state, its limits, the message on its way in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import structlog

from accounts import directory
from accounts.directory import AccountPolicy
from accounts.models import Status
from clock.moments import utc_now
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from listeners import bridge, doors
from listeners.base import Visit
from listeners.clientnames import ClientNames
from listeners.endpoints import SUBMISSION
from listeners.smtp import smtptraffic
from listeners.smtp.refused import RefusalBook
from listeners.tls import Certificates
from operations import settings
from operations.guard import Guard
from operations.models import Kind
from operations.settings import ListenerPolicy
from protocols.address import Address
from protocols.message.received import Encryption
from protocols.smtp import replies
from protocols.smtp.commands import LEGAL, Bdat, Command, Data, Mail, Malformed, State, parse
from protocols.smtp.data import LineWatch
from protocols.smtp.replies import Reply
from spool.intake import Client, Intake
from spool.refused import Refusal
from spool.resolver import Resolver

log = structlog.get_logger(__name__)

# For senders without a limit of their own; RFC 5321 §4.5.3.1.8 wants 100 at least.
RECIPIENTS_FROM_OUTSIDE = 1000
# M-062: more of them is no slip.
MANY_UNKNOWN_RECIPIENTS = 5

T = TypeVar("T")


class Door(doors.Door):
    """What all SMTP sessions of a process share."""

    def __init__(
        self,
        hostname: str,
        certificates: Certificates,
        guard: Guard,
        resolver: Resolver | None = None,
    ) -> None:
        super().__init__(hostname, certificates)
        self.guard = guard
        self.greeting = replies.greeting(hostname).encode()
        self.refusals = RefusalBook()
        self.resolver = resolver
        self.client_names = ClientNames(resolver)


class Connection(Protocol):
    """What a session may ask of its connection."""

    async def send(self, reply: Reply) -> None:
        """Send at once, with what waits to be sent."""

    async def read_line(self) -> bytes:
        """The next line, without its CRLF. Raises Malformed or Gone."""

    async def read_some(self, limit: int | None = None) -> bytes:
        """What has arrived, at least one byte and at most `limit`. Raises Gone."""

    def unread(self, rest: bytes) -> None:
        """Give back what belongs to the next command."""

    async def start_tls(self) -> None:
        """Forget what was sent in clear text, and turn to TLS. Raises Gone."""

    @property
    def encryption(self) -> Encryption | None:
        """What TLS agreed on; None without TLS."""


class Gone(Exception):
    """The client is gone, or was too slow."""


@dataclass(slots=True, eq=False)
class Session:
    """The state between commands. Handlers in `commands` change it."""

    visit: Visit
    door: Door
    connection: Connection
    state: State = State.CONNECTED
    client_name: str = ""
    is_extended: bool = False
    account_id: int | None = None
    mail: Mail | None = None
    intake: Intake | None = None
    accepted_recipients: int = 0
    permitted_domain_id: int | None = None  # in whose name its SPF record lets the client write
    accepted_messages: int = 0
    unknown_recipients: int = 0
    was_deferred: bool = False  # by us: what it did not hand in is not its fault
    refusal: Reply | None = None  # why the message that comes in is lost already
    watch: LineWatch = field(default_factory=LineWatch)  # of the message that comes by BDAT
    author_check: Any = None  # the same message's, if a setting wants one
    failed_logins: int = 0
    bad_commands: int = 0
    is_over: bool = False
    policy: ListenerPolicy = settings.FACTORY  # as it is at the present command
    _listed_by: ListenerPolicy | None = None  # the policy that `_is_listed` was read from
    _is_listed: bool = False

    def __post_init__(self) -> None:
        self.policy = self.door.policy

    async def answer(self, line: bytes) -> Reply | None:
        """Carry out one command line; the reply to it, None where it has been sent already."""
        self.policy = await bridge.ask_warm(settings.current)
        try:
            command = parse(line)
        except Malformed as error:
            # How many octets follow such a BDAT nobody knows: none of them may pass for commands.
            self.is_over = line[:4].upper() == b"BDAT"
            smtptraffic.answered(self.visit, line, None, error.reply)
            return self.count_bad(error.reply)
        smtptraffic.asked(self.visit, command)
        reply: Reply | None
        if type(command) not in LEGAL[self.state]:
            reply = await self._refuse_order(command)
        else:
            try:
                reply = await HANDLERS[type(command)](self, command)
            except Malformed as error:
                reply = error.reply
        smtptraffic.answered(self.visit, line, command, reply)
        is_bad = reply is not None and 500 <= reply.code <= 504
        return self.count_bad(reply) if reply is not None and is_bad else reply

    async def _refuse_order(self, command: Command) -> Reply:
        if isinstance(command, Bdat):
            # RFC 3030 §2: the octets come in any case.
            await swallow(self.connection, command.size_bytes)
        if self.state is State.CONNECTED:
            return replies.SAY_HELLO
        if isinstance(command, Data | Bdat) and self.state is State.MAIL:
            return replies.NO_VALID_RECIPIENTS
        return replies.BAD_SEQUENCE

    def count_bad(self, reply: Reply) -> Reply:
        """N-007: a client that errs again and again is no mail program."""
        self.bad_commands += 1
        if self.bad_commands < self.policy.bad_commands:
            return reply
        self.is_over = True
        return replies.TOO_MANY_BAD_COMMANDS

    def refuse(self, reply: Reply, *, sender: Address | None, recipient: str = "") -> Reply:
        """Write down that mail was refused, and in which words; returns the reply."""
        refusal = Refusal(
            at=utc_now(),
            client_address=self.visit.client_ip,
            client_name=self.client_name,
            sender=sender.encode() if sender else "",
            recipient=recipient,
            reply=f"{reply.code} {reply.enhanced} {reply.text}",
        )
        self.door.refusals.note(refusal)
        self.was_deferred |= reply.code < 500
        return reply

    def end(self) -> None:
        """The client is gone: was that somebody who only looks for addresses (M-062)?"""
        self.reset()
        if self.may_relay or self.visit.is_probe:
            return
        is_empty = not self.accepted_messages and not self.was_deferred
        if is_empty or self.unknown_recipients >= MANY_UNKNOWN_RECIPIENTS:
            self.door.guard.count(Kind.HARVESTING, "smtp", self.visit.client_ip)

    @property
    def is_watched(self) -> bool:
        """A stranger who is not on the whitelist either."""
        return not self.may_relay and not self.door.guard.is_exempt(self.visit.client_ip, "smtp")

    def reset(self) -> None:
        """Forget the transaction. RFC 5321 §4.1.1.5."""
        if self.intake is not None:
            self.intake.abort()
            self.intake = None
        self.mail = None
        self.accepted_recipients = 0
        self.permitted_domain_id = None
        self.refusal = None
        if self.state is not State.CONNECTED:
            self.state = State.GREETED

    def forget_all(self) -> None:
        """After STARTTLS nothing that was said before counts. RFC 3207 §4.2."""
        self.reset()
        self.state = State.CONNECTED
        self.client_name = ""
        self.is_extended = False

    @property
    def is_in_transaction(self) -> bool:
        return self.mail is not None

    @property
    def is_submission(self) -> bool:
        """On a port where everybody must log in, unless his network is listed for it (D-044)."""
        return self.visit.endpoint.purpose == SUBMISSION

    @property
    def is_listed(self) -> bool:
        """From a network that may relay without AUTH on such a port (G-040)."""
        if self._listed_by is not self.policy:
            self._listed_by = self.policy
            self._is_listed = self.policy.may_relay(
                self.visit.client_ip, on_submission=self.is_submission
            )
        return self._is_listed

    @property
    def may_relay(self) -> bool:
        """G-041: only who has logged in or is listed may write to other servers."""
        return self.account_id is not None or self.is_listed

    async def account(self) -> tuple[AccountPolicy, DomainPolicy] | None:
        """Who has logged in, as he is now; None: nobody, or nobody who may send any more."""
        if self.account_id is None:
            return None
        account = await bridge.ask_warm(directory.account, self.account_id)
        if account is None or account.status != Status.ENABLED:
            return None
        domain = await bridge.ask_warm(domain_directory.policy, account.domain_id)
        if domain is None or domain.is_disabled or domain.is_closed:
            return None
        # D-066: without the feature the switches do not count.
        if not account.smtp_access and domain.features.service_access_control:
            return None
        return account, domain

    async def message_limit(self) -> int | None:
        """The largest message that this client may hand in, in bytes (N-020, D-090)."""
        limits = [self.policy.message_bytes]
        known = await self.account()
        if known is not None:
            limits.append(known[1].limits.max_message_bytes)
        return min((limit for limit in limits if limit is not None), default=None)

    async def recipients_limit(self) -> int:
        """How many recipients one message may have (D-091)."""
        known = await self.account()
        limit = known[1].limits.recipients_per_message if known is not None else None
        return RECIPIENTS_FROM_OUTSIDE if limit is None else limit

    async def name_client(self) -> None:
        """Before the first bytes of a message: what the client is called, if that is known now."""
        if self.intake is not None:
            name = await self.door.client_names.name(self.visit.client_ip)
            if name is not None:
                self.intake.client = replace(self.intake.client, host_name=name)

    def client(self) -> Client:
        """For Received and the trace (N-024)."""
        is_known = self.account_id is not None
        return Client(
            address=self.visit.client_ip,
            greeting=self.client_name,
            is_extended=self.is_extended,
            is_authenticated=is_known,
            encryption=self.connection.encryption,
            is_hidden=is_known and self.policy.hide_submitter_address,
        )


Handler = Callable[[Session, Any], Awaitable[Reply | None]]
HANDLERS: dict[type[Command], Handler] = {}


def command(*kinds: type[Command]) -> Callable[[Handler], Handler]:
    """Register what a command does."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            HANDLERS[kind] = handler
        return handler

    return register


async def swallow(connection: Connection, size_bytes: int) -> None:
    """Read octets that nobody wants. Raises Gone."""
    while size_bytes:
        size_bytes -= len(await connection.read_some(size_bytes))
