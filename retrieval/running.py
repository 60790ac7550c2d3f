"""One run of one account, from its claim to what is written down about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings as conf

from accounts import secrets
from accounts.secrets import Undecipherable
from blobs.committer import Committer
from clock.moments import utc_now
from logbook.kinds import Kind as LogKind
from logbook.writer import BOOK
from operations.nameservers import name_servers
from retrieval import imapfetching, outcomes, permits, popfetching
from retrieval.errors import ClaimLost, Paused
from retrieval.models import PASSWORD_PURPOSE, Kind, RetrievalAccount
from retrieval.outcomes import Outcome
from retrieval.permits import Mailbox
from retrieval.remote.errors import RemoteFailed
from retrieval.remote.server import Limits, Remote, Security
from retrieval.settings import RETRIEVAL, networks
from retrieval.work import Ask, Task, Visit

log = structlog.get_logger(__name__)

LOGS = {Kind.POP3.value: LogKind.POP_RETRIEVAL, Kind.IMAP.value: LogKind.IMAP_RETRIEVAL}
FETCH = {Kind.POP3.value: popfetching.fetch, Kind.IMAP.value: imapfetching.fetch}

WRONG_KEY = "The password cannot be read any more: please enter it again."
FAULT = "Something went wrong on this server. It was written down, and is tried again."
# Beyond the moment at which a run ends by itself, for the message that it is about.
GRACE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Begun:
    """An account that may be fetched from now."""

    task: Task
    mailbox: Mailbox


async def run(account_id: int, claim: int, ask: Ask, committer: Committer) -> Outcome:
    """Fetch what is new and write down how it went; raises nothing but what the database raises."""
    outcome = Outcome(account_id, claim)
    try:
        begun: Begun | None = await ask(begin, account_id, claim, utc_now())
        if begun is not None:
            await _visit(begun, outcome, ask, committer)
    except ClaimLost:
        outcome.is_lost = True
    except Paused as reason:
        outcome.error = str(reason)
    except RemoteFailed as error:
        outcome.error, outcome.has_failed = error.text, True
    except Undecipherable:
        outcome.error, outcome.has_failed = WRONG_KEY, True
    except Exception:
        log.exception("retrieval failed by a fault of ours", account=account_id)
        outcome.error, outcome.has_failed = FAULT, True
    await ask(outcomes.write, outcome, now=utc_now())
    return outcome


async def _visit(begun: Begun, outcome: Outcome, ask: Ask, committer: Committer) -> None:
    task = begun.task
    visit = Visit(task, begun.mailbox, ask, committer)
    note(begun, "begins")
    try:
        await FETCH[task.kind](visit)
        outcome.error = visit.found.in_words()
    except (RemoteFailed, Paused) as error:
        note(begun, f"ends after {visit.found.count} messages: {error}")
        raise
    else:
        note(begun, f"{visit.found.count} messages fetched. {outcome.error}".rstrip())
    finally:
        outcome.count, outcome.has_more = visit.found.count, visit.found.has_more


def note(begun: Begun, words: str) -> None:
    """A line of the log of POP or IMAP retrieval (M-082)."""
    task = begun.task
    where = f"{task.remote.username} at {task.remote.host}:{task.remote.port}"
    text = f"{begun.mailbox.address} from {where}, {words}"
    domains = (begun.mailbox.domain.name,)
    BOOK.note(LOGS[task.kind], text, session=task.account_id, domains=domains)


def begin(account_id: int, claim: int, now: datetime) -> Begun | None:
    """None: it was taken back meanwhile. Raises Paused, Undecipherable. Asks the database."""
    row = RetrievalAccount.objects.filter(pk=account_id, claimed_by=claim).first()
    if row is None:
        return None
    mailbox = permits.mailbox_of(row.user_id, row.kind)
    permits.require_room(mailbox, 0)
    return Begun(task_of(row, claim, now), mailbox)


def task_of(row: RetrievalAccount, claim: int, now: datetime) -> Task:
    """Raises Undecipherable."""
    settings = RETRIEVAL.read()
    seconds = settings.session_minutes * 60
    return Task(
        account_id=row.pk,
        run=claim,
        user_id=row.user_id,
        kind=row.kind,
        remote=remote_of(row),
        limits=Limits(
            reply_seconds=float(settings.reply_seconds),
            message_bytes=permits.largest_message(),
            session_seconds=seconds + GRACE_SECONDS,
        ),
        networks=networks(settings),
        afterwards=row.afterwards,
        delete_after_days=row.delete_after_days,
        target_folder=row.target_folder,
        all_folders=row.all_folders,
        ends_at=now + timedelta(seconds=seconds),
    )


def remote_of(row: RetrievalAccount) -> Remote:
    """Raises Undecipherable."""
    password = secrets.decrypt(PASSWORD_PURPOSE, bytes(row.password)).decode()
    return Remote(
        host=row.host,
        port=row.port,
        security=Security(row.security),
        username=row.username,
        password=password,
        verifies=row.verify_certificate,
        name_servers=tuple(name_servers() or conf.MAILHOST_DNS_SERVERS),
    )
