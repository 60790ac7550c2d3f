"""Puts messages whose acceptance a crash cut off into the spool, unless they came again (S-058)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings as conf
from django.db.models import Q, QuerySet

from accounts import directory
from accounts.directory import AccountPolicy
from blobs import lostfound
from blobs.committer import process_committer
from blobs.errors import BlobDamaged, BlobGone, StoreError
from blobs.ids import encode_id, first_id_at, time_of
from blobs.models import Area
from blobs.record import Found
from clock.moments import to_micros
from domains import directory as domain_directory
from events import audit
from events.audit import Actor
from mailboxes.errors import QuotaExceeded
from protocols.address import Address, MalformedAddress
from protocols.smtp import replies
from protocols.smtp.replies import Reply
from spool import deliverylog, intake, lost, lostenvelopes, routing, throttlebounces
from spool.errors import (
    AccountDisabled,
    AddressUnknown,
    AliasLoop,
    ForwardingForbidden,
    MessageLoops,
    NotForOutsiders,
    Refused,
    RelayDenied,
    SpoolFull,
)
from spool.intake import Intake, Parameters
from spool.lostenvelopes import Envelope, NoEnvelope
from spool.models import LostRecord, LostState, Origin, SpooledMessage
from spool.owedmail import OwedMail, ToldAlready
from spool.refused import Refusal, write_down
from spool.routing import Question, Resolution

log = structlog.get_logger(__name__)

# A sender that heard nothing comes again within minutes, and the server must be up for that.
WAIT = timedelta(hours=1)
# So long a recipient who cannot be reached now holds the others up.
PATIENCE = timedelta(days=1)
# What acceptance adds by itself is as long the next time, but for the day of the month.
SLACK_BYTES = 8

_LOGGED_IN = (Origin.SUBMISSION, Origin.WEBMAIL, Origin.API)
# What the sender would have been told for good; any other refusal is taken for one of the moment.
_FOR_GOOD: dict[type[Exception], Reply] = {
    AddressUnknown: replies.NO_SUCH_MAILBOX,
    RelayDenied: replies.RELAY_DENIED,
    AccountDisabled: replies.RECIPIENT_DISABLED,
    NotForOutsiders: replies.RECIPIENT_INTERNAL,
    ForwardingForbidden: replies.FORWARDING_REFUSED,
    AliasLoop: replies.RECIPIENT_LOOP,
    MessageLoops: replies.TOO_MANY_HOPS,
    MalformedAddress: replies.MALFORMED_RECIPIENT,
}
_MARK = (
    f"UPDATE spool_lostrecord SET state = '{LostState.REQUEUED.value}', reason = '',"
    f" spooled_id = %s WHERE id = %s AND state IN ('{LostState.WAITING.value}',"
    f" '{LostState.NEEDLESS.value}', '{LostState.KEPT.value}')"
)


class NotRequeued(Exception):
    """It stays where it is; as `state` says, for good or for now."""

    def __init__(self, reason: str, state: LostState = LostState.KEPT) -> None:
        super().__init__(reason)
        self.reason = reason
        self.state = state


@dataclass(slots=True)
class _Reached:
    """Who of the envelope takes the message now, and who does not."""

    taken: list[tuple[Address, Resolution, str, str]] = field(default_factory=list)
    refused: list[tuple[str, Reply]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def requeue_due(*, now: datetime) -> int:
    """One round over all that has waited long enough; how many went into the spool.

    May run in several processes at once, and be killed at any moment: a record goes once.
    """
    requeued = 0
    for row in list(lost.waiting_since(now - WAIT)):
        try:
            requeue(row=row, now=now)
            requeued += 1
        except NotRequeued as error:
            _keep(row, error)
        except (StoreError, SpoolFull) as error:
            log.warning("not put into the spool now", record=str(row), error=repr(error))
        except Exception:
            # One that nobody has thought of must not stand in the way of the others.
            log.exception("not put into the spool by a fault of ours", record=str(row))
    lost.let_all_go()
    return requeued


def requeue(*, row: LostRecord, now: datetime) -> int:
    """By itself: the new spool id. Raises NotRequeued, StoreError or SpoolFull."""
    found, envelope = _read(row)
    if (again := _came_again(row, envelope)) is not None:
        words = f"the same message came again: it is {encode_id(again.pk)}"
        raise NotRequeued(words, LostState.NEEDLESS)
    return _put_in(row, found, envelope, now=now, waits=now - row.found_at < PATIENCE)


def requeue_by_hand(*, row: LostRecord, by: Actor | None, now: datetime) -> int:
    """Whether or not it came again; the new spool id. Raises as `requeue`."""
    if row.state not in lost.OPEN:
        raise NotRequeued("it has been dealt with already", LostState(row.state))
    found, envelope = _read(row)
    message_id = _put_in(row, found, envelope, now=now, waits=False)
    audit.record(by, "put what a crash had left into the spool", row)
    return message_id


def _read(row: LostRecord) -> tuple[Found, Envelope]:
    if row.area.kind != Area.Kind.SPOOL:
        raise NotRequeued(lost.OF_MAILBOX)
    try:
        found = lostfound.record_at(lost.path_of(row), row.offset, row.pk)
        return found, lostenvelopes.read(found.meta, blob_id=row.pk)
    except (BlobGone, BlobDamaged) as error:
        raise NotRequeued(f"it cannot be read: {error}") from None
    except NoEnvelope as error:
        raise NotRequeued(str(error)) from None


def _came_again(row: LostRecord, envelope: Envelope) -> SpooledMessage | None:
    """The message by which some of the recipients have it, or get it, all the same."""
    either = Q(recipients__address__in=_addresses(envelope)) | Q(
        recipients__original_address__in=envelope.addresses
    )
    rows = SpooledMessage.objects.filter(either, sender=envelope.sender).order_by("id")
    if envelope.origin is Origin.SERVER:
        # What the server writes has another Message-ID each time that it is written.
        return _since(rows.filter(origin=envelope.origin, kind=envelope.kind), envelope).first()
    if not lostenvelopes.is_made_here(row.message_id, envelope.id, conf.MAILHOST_HOSTNAME):
        return rows.filter(message_id=row.message_id).first()
    alike = _since(rows, envelope).filter(
        size_bytes__range=(row.size_bytes - SLACK_BYTES, row.size_bytes + SLACK_BYTES)
    )
    nameless = (
        one
        for one in alike
        if lostenvelopes.is_made_here(one.message_id, one.pk, conf.MAILHOST_HOSTNAME)
    )
    return next(nameless, None)


def _since(rows: QuerySet[SpooledMessage], envelope: Envelope) -> QuerySet[SpooledMessage]:
    return rows.filter(pk__gte=first_id_at(time_of(envelope.id)))


def _addresses(envelope: Envelope) -> list[str]:
    return [one.address for one in envelope.recipients]


def _put_in(
    row: LostRecord, found: Found, envelope: Envelope, *, now: datetime, waits: bool
) -> int:
    submitter = _submitter(envelope)
    reached = _reach(envelope, found.header.body_bytes, now)
    if reached.waiting and (waits or not reached.taken):
        words = f"not taken at the moment: {', '.join(reached.waiting)}"
        raise NotRequeued(words, LostState.WAITING if waits else LostState.KEPT)
    if not reached.taken:
        _write_refusals(envelope, reached.refused, now)
        raise NotRequeued(f"nobody takes it: {_in_words(reached.refused)}")
    opened = _open(envelope, submitter, reached)
    try:
        _fill(opened, row, found, envelope)
        acceptance = opened.prepare()
        process_committer().commit_now(
            OwedMail(
                mark=_MARK,
                values=(opened.id, row.pk),
                accepted=[acceptance],
                records=acceptance.records,
            )
        )
    except MessageLoops as error:
        raise NotRequeued(f"it goes in a circle: {error}") from None
    except ToldAlready:
        raise NotRequeued("it is in the spool already", LostState.REQUEUED) from None
    finally:
        opened.abort()
    deliverylog.accepted(acceptance)
    _write_refusals(envelope, reached.refused, now)
    log.warning("put into the spool after a crash", record=str(row), id=opened.name)
    lost.let_go(row)
    return opened.id


def _submitter(envelope: Envelope) -> AccountPolicy | None:
    """Who had logged in, as far as the sender tells. Raises NotRequeued if he may not send now."""
    if envelope.domain is None or envelope.origin not in _LOGGED_IN:
        return None
    account = directory.login(envelope.sender, local_ip=None)
    if account is None or account.domain_id != envelope.domain:
        return None
    if not account.receives:
        raise NotRequeued(f"{envelope.sender} may not send any more")
    return account


def _reach(envelope: Envelope, size_bytes: int, now: datetime) -> _Reached:
    """Ask for each recipient what a fresh RCPT TO would ask."""
    has_left = envelope.domain is not None and domain_directory.policy(envelope.domain) is None
    question = Question(
        sender=envelope.sender,
        may_relay=envelope.origin is not Origin.SMTP and not has_left,
        submitter_domain_id=envelope.domain if envelope.origin in _LOGGED_IN else None,
        size_bytes=size_bytes,
        is_exempt=envelope.kind.is_exempt,
    )
    reached = _Reached()
    wishes = {one.original_address: (one.notify, one.orcpt) for one in envelope.recipients}
    for text, (notify, orcpt) in wishes.items():
        try:
            address = Address.parse(text)
            resolution = routing.resolve(address, question)
            if not envelope.sender and throttlebounces.is_limited(resolution.targets):
                throttlebounces.require_room(resolution.targets, now)
        except (Refused, QuotaExceeded, MalformedAddress) as error:
            reply = _FOR_GOOD.get(type(error))
            if reply is None:
                reached.waiting.append(f"{text} ({error})")
                reply = replies.TRY_AGAIN_LATER
            reached.refused.append((text, reply))
        else:
            reached.taken.append((address, resolution, notify, orcpt))
    return reached


def _open(envelope: Envelope, submitter: AccountPolicy | None, reached: _Reached) -> Intake:
    """Raises SpoolFull."""
    domain = None if envelope.domain is None else domain_directory.policy(envelope.domain)
    opened = intake.begin(
        sender=envelope.sender,
        origin=envelope.origin,
        kind=envelope.kind,
        submitter=submitter,
        domain=domain,
    )
    opened.decisions.append({"step": lostenvelopes.STEP, "at": to_micros(time_of(envelope.id))})
    for address, resolution, notify, orcpt in reached.taken:
        opened.add_recipient(address, resolution, notify=notify, orcpt=orcpt)
    return opened


def _fill(opened: Intake, row: LostRecord, found: Found, envelope: Envelope) -> None:
    """The message as it was, with the lines that were put before it then. Raises NotRequeued."""
    is_seven_bit = is_text = True
    try:
        for piece in lostfound.body_of(lost.path_of(row), found):
            is_seven_bit &= piece.isascii()
            is_text &= b"\0" not in piece
            opened.write(piece)
    except BlobDamaged as error:
        raise NotRequeued(f"it cannot be read: {error}") from None
    addresses = (envelope.sender, *_addresses(envelope))
    opened.parameters = Parameters(
        body_type="BINARYMIME" if not is_text else "7BIT" if is_seven_bit else "8BITMIME",
        smtputf8=not all(address.isascii() for address in addresses),
        ret=envelope.ret,
        envid=envelope.envid,
        priority=envelope.priority,
    )


def _write_refusals(
    envelope: Envelope, refused: Sequence[tuple[str, Reply]], now: datetime
) -> None:
    if refused:
        rows = [
            Refusal(now, "", "", envelope.sender, recipient, _words(reply))
            for recipient, reply in refused
        ]
        write_down(rows).result()


def _words(reply: Reply) -> str:
    return f"{reply.code} {reply.enhanced} {reply.text}"


def _in_words(refused: Sequence[tuple[str, Reply]]) -> str:
    return ", ".join(f"{recipient} ({_words(reply)})" for recipient, reply in refused)


def _keep(row: LostRecord, error: NotRequeued) -> None:
    """Say why, once for each reason."""
    reason = error.reason[:500]
    if (row.state, row.reason) == (error.state, reason):
        return
    values: dict[str, Any] = {"state": error.state, "reason": reason}
    if LostRecord.objects.filter(pk=row.pk, state=LostState.WAITING).update(**values):
        told = log.info if error.state is LostState.NEEDLESS else log.warning
        told("what a crash left stays in lost+found", record=str(row), reason=reason)
