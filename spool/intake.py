"""The only way in: begin, add recipients, write the body, commit or abort."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings as conf

from accounts.directory import AccountPolicy
from blobs.committer import process_committer
from blobs.gathering import Gathering
from blobs.ids import encode_id, new_id
from blobs.store import Body, NewRecord, new_body
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from domains.directory import Cold
from domains.policy import DomainPolicy
from mailboxes import quota
from mailboxes.delivery import Delivery
from mailinglists.addresses import Part
from protocols.address import Address, fold
from protocols.message import facts, headers, received, spammarks, submission
from protocols.message.received import Encryption
from spool import (
    deliverylog,
    freespace,
    intakedecisions,
    schedule,
    settings,
    throttlebounces,
)
from spool.acceptance import Acceptance, AcceptedRecipient, planned_references
from spool.errors import BodyTooLarge, MessageLoops, PostTooLarge, SpoolFull
from spool.lists import addresses
from spool.models import Kind, Origin, Route
from spool.placing import Placing
from spool.routing import Resolution, Target
from spool.settings import SpoolPolicy
from spool.throttlebounces import ReceivedReport

# A header longer than this is taken as it is: nothing is looked for or added behind it.
MAXIMUM_HEADER_BYTES = 256 * 1024
# By programs of users, and by machines that may send without logging in.
HANDED_IN = (Origin.SUBMISSION, Origin.RELAY)
# The structure of a larger message is computed in a thread, so that other sessions go on.
LARGE_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Client:
    """Who handed the message in, for Received and the trace."""

    address: str = ""  # IP; empty: this server itself, and no Received is written
    greeting: str = ""  # what EHLO or HELO said
    host_name: str | None = None  # PTR, confirmed; None: unknown
    is_extended: bool = True  # EHLO, not HELO
    is_authenticated: bool = False
    encryption: Encryption | None = None
    is_hidden: bool = False  # leave address and name out of Received (N-024)
    # By what it was fetched from the server that `greeting` names: "POP3"; empty: handed in.
    fetched_by: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What MAIL FROM said beside the sender. RFC 3461, RFC 6152, RFC 6531, RFC 6710."""

    body_type: str = "7BIT"
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    priority: int | None = None  # 1…10


@dataclass(slots=True, eq=False)
class Intake:
    """One message on its way in. Nothing is kept before commit()."""

    sender: str  # envelope sender; empty: null
    origin: Origin
    client: Client
    submitter: AccountPolicy | None
    kind: Kind
    parameters: Parameters
    domain_id: int | None  # the domain of ours that causes the message, if known
    maximum_bytes: int | None  # None: no limit
    policy: SpoolPolicy
    id: int = field(default_factory=new_id)
    recipients: list[AcceptedRecipient] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    message_id: str = ""
    _head: bytearray | None = field(default_factory=bytearray)
    _body: Body | None = None
    _written_bytes: int = 0
    _delivered_to: frozenset[str] = frozenset()
    _protocol: str = ""  # by which it came, as Received names it; empty: from this server itself
    _accepted_at: datetime = field(default_factory=lambda: utc_now())
    _gathering: Gathering | None = None  # where it is announced
    _spam_mark: str = ""  # the field by which a scanner marked it; empty: none, or none counts

    @property
    def name(self) -> str:
        """The spool id as Received, logs and the panel show it."""
        return encode_id(self.id)

    @property
    def size_bytes(self) -> int:
        """What the client has sent; the trace header is not counted."""
        return self._written_bytes

    def add_recipient(
        self,
        address: Address,
        resolution: Resolution,
        *,
        notify: str = "",
        orcpt: str = "",
        placing: Placing | None = None,
    ) -> None:
        """Take the targets of one RCPT TO; a target that is there already stays single.

        `placing`: where in its mailbox each local target gets it; None: the Inbox, unread.
        """
        known = {recipient.target.address for recipient in self.recipients}
        for target in resolution.targets:
            if target.address not in known:
                self.recipients.append(
                    AcceptedRecipient(
                        target, address.encode(), notify, orcpt, priority=5, placing=placing
                    )
                )
            if self.domain_id is None:
                self.domain_id = target.domain_id if target.route == Route.REMOTE else None
        if resolution.via not in ("user", "remote"):
            self.decisions.append(
                {
                    "step": resolution.via,
                    "address": address.encode(),
                    "targets": [target.address for target in resolution.targets],
                }
            )
        if resolution.banned:
            self.decisions.append(
                {
                    "step": "forwarding blacklist",
                    "address": address.encode(),
                    "left out": list(resolution.banned),
                }
            )

    def write(self, chunk: bytes) -> None:
        """Append to the body. Raises BodyTooLarge, blobs.errors.StoreFull or StoreFailed.

        After an error the intake takes no more: the door reads on and throws away.
        """
        self._written_bytes += len(chunk)
        if self.maximum_bytes is not None and self._written_bytes > self.maximum_bytes:
            self.abort()
            raise BodyTooLarge(self._written_bytes, self.maximum_bytes)
        if self._head is None:
            assert self._body is not None, "written after abort or commit"
            self._body.write(chunk)
            return
        searched = max(len(self._head) - 3, 0)
        self._head += chunk
        end = self._head.find(b"\r\n\r\n", searched)
        if end >= 0 or len(self._head) > MAXIMUM_HEADER_BYTES:
            self._begin_body()

    def require_room(self, *, cached_only: bool = False) -> None:
        """Raises QuotaExceeded if none of the recipients has room for what was written (D-082),
        or PostTooLarge where the last of them is a list (L-014).

        Where one has, the others wait in the spool. Raises Cold if `cached_only`.
        """
        refusal: Exception | None = None
        for recipient in self.recipients:
            target = recipient.target
            try:
                if target.route == Route.LIST:
                    self._require_list_room(target, cached_only)
                elif target.account is None:
                    return
                else:
                    quota.require_room(target.account, self._written_bytes, cached_only=cached_only)
            except (quota.QuotaExceeded, PostTooLarge) as error:
                refusal = error
            else:
                return
        if refusal is not None:
            raise refusal

    def _require_list_room(self, target: Target, cached_only: bool) -> None:
        """Raises PostTooLarge, Cold."""
        if target.domain_id is None:
            return
        domain = domain_directory.policy(target.domain_id, cached_only=cached_only)
        local_part = fold(Address.parse(target.address).local_part)
        if domain is None:
            return
        found = addresses.find(domain, local_part, cached_only=cached_only)
        if found is None or found[1] is not Part.POSTS:
            return
        allowed = addresses.maximum_bytes(found[0], domain)
        if allowed is not None and self._written_bytes > allowed:
            raise PostTooLarge(target.address, self._written_bytes, allowed)

    def announce(self) -> None:
        """A client has begun with it, and may be done in a moment: others share its commit."""
        self._gathering = process_committer().gathering()
        self._gathering.announce(self.id)

    def abort(self) -> None:
        """Forget everything; may be called again, and after commit."""
        self._retract()
        self._head = None
        if self._body is not None:
            self._body.discard()
            self._body = None

    async def commit(self) -> int:
        """Make the message our duty; the spool id. Durable when it returns (RFC 5321 §6.1).

        Raises MessageLoops, SpoolFull, blobs.errors.StoreFull or StoreFailed, or what the
        database raises; then nothing is left of the message.
        """
        try:
            if self._written_bytes > LARGE_BYTES or not self._is_warm():
                job = await asyncio.get_running_loop().run_in_executor(None, self.prepare)
            else:
                job = self.prepare()
            self._retract()
            message_id = int(await process_committer().commit(job))
            deliverylog.accepted(job)
            return message_id
        finally:
            self.abort()

    def _retract(self) -> None:
        if self._gathering is not None:
            self._gathering.retract(self.id)
            self._gathering = None

    def commit_now(self) -> int:
        """As commit(), for code without an event loop."""
        try:
            job = self.prepare()
            message_id = int(process_committer().commit_now(job))
            deliverylog.accepted(job)
            return message_id
        finally:
            self.abort()

    def _is_warm(self) -> bool:
        """Whether `prepare` finds in memory what it asks: a coroutine must not ask the database."""
        try:
            for domain_id in {self.domain_id, *(r.target.domain_id for r in self.recipients)}:
                if domain_id is not None:
                    domain_directory.policy(domain_id, cached_only=True)
            if not self.sender:
                targets = [recipient.target for recipient in self.recipients]
                throttlebounces.is_limited(targets, cached_only=True)
        except Cold:
            return False
        return True

    def _begin_body(self) -> None:
        """The header is complete: look at it once, put our own lines before it."""
        head = bytes(self._head or b"")
        self._head = None
        allowed = self.policy.maximum_hops
        listed = headers.fields(head)
        hops = headers.count_hops(listed)
        if hops > allowed:
            raise MessageLoops(hops, allowed)
        # What is fetched has been delivered elsewhere, perhaps to this address on an old server.
        if hops and self.origin != Origin.RETRIEVAL:
            self._delivered_to = frozenset(
                value.strip().decode("utf-8", "replace").lower()
                for value in headers.named(listed, b"delivered-to")
            )
        if self.policy.quarantines_spam and self.origin in HANDED_IN:
            self._spam_mark = spammarks.mark_in(listed)
        added = self._missing_fields(head, listed)
        ids = headers.named(listed, b"message-id") + headers.every(added, b"message-id")
        given = next(filter(None, ids), b"")
        self.message_id = given.strip().strip(b"<>").decode("utf-8", "replace")[:250]
        self._body = new_body()
        self._body.write(self._received() + added + head)

    def _missing_fields(self, head: bytes, listed: list[tuple[bytes, bytes]]) -> bytes:
        """What a user's program left out (N-023); mail of other servers is left as it is."""
        if self.origin not in HANDED_IN:
            return b""
        return submission.missing_fields(
            head,
            listed,
            author_name=self.submitter.full_name if self.submitter else "",
            author=self.sender or f"postmaster@{conf.MAILHOST_HOSTNAME}",
            message_id=f"{self.name}@{conf.MAILHOST_HOSTNAME}",
            now=self._accepted_at,
        )

    @property
    def _hop(self) -> received.Hop:
        client = self.client
        return received.Hop(
            server_name=conf.MAILHOST_HOSTNAME,
            spool_id=self.name,
            greeting=client.greeting,
            client_address=None if client.is_hidden else client.address,
            client_name=client.host_name,
            is_extended=client.is_extended,
            is_utf8=self.parameters.smtputf8,
            is_authenticated=client.is_authenticated,
            encryption=client.encryption,
            recipient=self.recipients[0].original_address if len(self.recipients) == 1 else None,
            fetched_by=client.fetched_by,
        )

    def _received(self) -> bytes:
        if not self.client.address and not self.client.fetched_by:
            return b""
        hop = self._hop
        self._protocol = hop.protocol
        return received.received(hop, self._accepted_at)

    def prepare(self) -> Acceptance:
        """Everything that needs no disk: what the rows and the record will say."""
        if self._head is not None:
            self._begin_body()  # a message without a body, or without an end of header
        assert self._body is not None and self.recipients, "nothing to accept"
        policy = self.policy
        now = to_micros(self._accepted_at)
        self._decide()
        may_deliver = policy.delivers and not policy.delivery_delay
        for recipient in self.recipients:
            if may_deliver and intakedecisions.goes_at_once(recipient, self._delivered_to):
                recipient.delivery = self._delivery(recipient, now)
        is_local = any(r.target.route == Route.LOCAL for r in self.recipients)
        record = NewRecord(
            blob_id=new_id(),
            meta=self._meta(),
            facts=facts.facts(self._body.read()) if is_local else b"",
            body=self._body,
            references=planned_references(self.recipients),
        )
        for recipient in self.recipients:
            if recipient.delivery is not None:
                recipient.delivery.blob_id = record.blob_id
        return Acceptance(
            message=self._message_row(now),
            recipients=self.recipients,
            records=[record],
            first_try_at=to_micros(self._accepted_at + policy.delivery_delay),
            received_report=self._received_report(),
        )

    def _decide(self) -> None:
        """What the rules say of each recipient. Raises MessageLoops."""
        assert self._body is not None
        if self._delivered_to:
            self.recipients, circles = intakedecisions.without_circles(
                self.recipients, self._delivered_to
            )
            self.decisions += circles
        self.decisions += intakedecisions.set_priorities(
            self.recipients,
            kind=self.kind,
            size_bytes=self._body.size_bytes,
            domain_id=self.domain_id,
            manual=self.parameters.priority,
        )
        if self._spam_mark:
            self.decisions += intakedecisions.quarantine_spam(
                self.recipients,
                self._spam_mark,
                now=self._accepted_at,
                quarantine=self.policy.quarantine,
            )
        if self.policy.hold_rules:
            self.decisions += intakedecisions.hold(
                self.recipients,
                self.policy.hold_rules,
                sender=self.sender,
                domain_id=self.domain_id,
                now=self._accepted_at,
                quarantine=self.policy.quarantine,
            )

    def _received_report(self) -> ReceivedReport | None:
        if self.sender or self._body is None or self.origin == Origin.RETRIEVAL:
            return None
        targets = [recipient.target for recipient in self.recipients]
        if not throttlebounces.is_limited(targets):
            return None
        return throttlebounces.read(targets, self._body.read())

    def _delivery(self, recipient: AcceptedRecipient, now: int) -> Delivery:
        target, placing = recipient.target, recipient.placing or Placing()
        assert target.account is not None and target.domain_id is not None and self._body
        lines = received.return_path(self.sender) + received.delivered_to(target.address)
        prefix = lines.decode()
        return Delivery(
            account_id=target.account.account_id,
            domain_id=target.domain_id,
            blob_id=0,
            prefix=prefix,
            size_bytes=len(lines) + self._body.size_bytes,
            received_at=now if placing.received_at is None else placing.received_at,
            folder_id=placing.folder_id,
            flags=placing.flags,
            spooled_id=self.id,
            is_exempt=self.kind.is_exempt,
        )

    def _meta(self) -> bytes:
        """What the record says of itself, so that the spool can be rebuilt without rows."""
        said: dict[str, Any] = {
            "id": self.id,
            "sender": self.sender,
            "origin": self.origin.value,
            "kind": self.kind.value,
            "domain": self.domain_id,
            "recipients": [
                [r.target.address, r.original_address, r.notify, r.orcpt] for r in self.recipients
            ],
            "accepted_at": to_micros(self._accepted_at),
        }
        # Few senders say any of these: the records of all others do not grow by them.
        parameters = self.parameters
        if parameters.ret:
            said["ret"] = parameters.ret
        if parameters.envid:
            said["envid"] = parameters.envid
        if parameters.priority is not None:
            said["priority"] = parameters.priority
        return msgspec.json.encode(said)

    def _message_row(self, now: int) -> dict[str, Any]:
        assert self._body is not None
        parameters = self.parameters
        retries = self.policy.retries
        expires_at = schedule.expires_at(
            accepted_at=self._accepted_at, sender=self.sender, policy=retries
        )
        return {
            "id": self.id, "origin": self.origin.value, "kind": self.kind.value,
            "sender": self.sender, "domain_id": self.domain_id, "message_id": self.message_id,
            "sender_account_id": self.submitter and self.submitter.account_id,
            "size_bytes": self._body.size_bytes, "client_address": self.client.address,
            "client_name": self.client.greeting[:255],
            "protocol": self._protocol,
            "body_type": parameters.body_type, "smtputf8": parameters.smtputf8,
            "ret": parameters.ret, "envid": parameters.envid,
            "manual_priority": parameters.priority, "accepted_at": now,
            "expires_at": to_micros(expires_at),
            "delay_notice_at": None,
            "decisions": msgspec.json.encode(self.decisions).decode(),
        }  # fmt: skip


def begin(
    *,
    sender: str,
    origin: Origin,
    client: Client = Client(),
    submitter: AccountPolicy | None = None,
    kind: Kind = Kind.STANDARD,
    parameters: Parameters = Parameters(),
    domain: DomainPolicy | None = None,
    maximum_bytes: int | None = None,
    cached_only: bool = False,
) -> Intake:
    """Open the way in for one message. Raises SpoolFull, or Cold if `cached_only`.

    `domain`: the one that causes the message when there is no submitter.
    """
    policy = settings.current(cached_only=cached_only)
    if freespace.is_low(policy):
        raise SpoolFull
    domain_id = submitter.domain_id if submitter else domain.domain_id if domain else None
    return Intake(
        sender, origin, client, submitter, kind, parameters, domain_id, maximum_bytes, policy
    )
