"""What follows from the result of a try: the end, the next try, or a pause. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from clock.moments import from_micros, to_micros
from protocols.message.reports import Action
from protocols.smtp.outgoing import Verdict
from protocols.smtp.replies import Reply
from spool import priority, schedule
from spool.models import Route, State
from spool.priority import PriorityRules
from spool.schedule import RetryPolicy
from spool.work import Result

HOLD = timedelta(minutes=5)  # until what is held is looked at again
MAX_REPLY_CHARACTERS = 2000
PATIENCE_ENDED = "4.4.7"  # RFC 3463 §3.5: delivery time expired
MAILBOX_FULL, FULL_FOR_GOOD = "4.2.2", "5.2.2"


@dataclass(frozen=True, slots=True)
class Settled:
    """A result, and what the recipient's row is to say; moments in microseconds."""

    result: Result
    state: State
    due_at: int | None  # None: it has ended
    priority: int

    @property
    def is_end(self) -> bool:
        return self.state >= State.DELIVERED

    @property
    def reply(self) -> str:
        return words(self.result.outcome.reply)


def settle(
    result: Result, *, policy: RetryPolicy, rules: PriorityRules | None, randomness: float
) -> Settled:
    """`randomness` from 0 to 1 spreads the next try."""
    recipient, now = result.recipient, result.finished_at
    if result.is_held:
        due = now + to_micros(from_micros(0) + HOLD)
        return Settled(result, State.HELD, due, recipient.priority)
    if result.is_returned:
        state = State.RETRYING if recipient.attempts > 1 else State.QUEUED
        return Settled(result, state, now, recipient.priority)
    if result.verdict is Verdict.DELIVERED:
        state = State.RELAYED if recipient.route == Route.REMOTE else State.DELIVERED
        return Settled(result, state, None, recipient.priority)
    if result.verdict is Verdict.FAILED:
        return Settled(result, State.BOUNCED, None, recipient.priority)
    due_at = schedule.next_attempt(
        recipient.attempts,
        expires_at=from_micros(recipient.message.expires_at),
        now=from_micros(now),
        policy=policy,
        randomness=randomness,
    )
    if due_at is None:
        return Settled(result, State.EXPIRED, None, recipient.priority)
    decided = priority.decide(
        kind=recipient.message.kind,
        size_bytes=recipient.message.size_bytes,
        failures=recipient.attempts,
        rules=rules,
        manual=recipient.message.manual_priority,
    )
    return Settled(result, State.RETRYING, to_micros(due_at), decided.value)


def action_to_report(settled: Settled) -> Action | None:
    """What the sender is to be told of this recipient; None: nothing. RFC 3461 §4.1, §5.2."""
    recipient, asked = settled.result.recipient, settled.result.recipient.notify
    if recipient.return_path:
        return None  # L-013: it counts for the subscriber, and nobody is written to
    if not recipient.message.sender or asked == "NEVER":
        return None  # RFC 5321 §4.5.5: nobody is told about mail from the null sender
    if settled.state in (State.BOUNCED, State.EXPIRED):
        return Action.FAILED if not asked or "FAILURE" in asked else None
    if "SUCCESS" not in asked:
        return None
    if settled.state == State.DELIVERED:
        return Action.DELIVERED
    if settled.state == State.RELAYED and not settled.result.peer.has_dsn:
        return Action.RELAYED  # RFC 3461 §5.2.2: the next host does not know how to tell
    return None


def status_code(settled: Settled) -> str:
    """The status of RFC 3463 for a report, made up from the reply's code where it has none."""
    reply = settled.result.outcome.reply
    if settled.state == State.EXPIRED:
        # D-082: what waited for room says so at its end too.
        return FULL_FOR_GOOD if reply.enhanced == MAILBOX_FULL else PATIENCE_ENDED
    if reply.enhanced:
        return reply.enhanced
    return f"{reply.code // 100}.0.0"


def words(reply: Reply) -> str:
    """A reply in one line, as rows and reports show it."""
    parts = (str(reply.code), reply.enhanced, *reply.text.split())
    return " ".join(filter(None, parts))[:MAX_REPLY_CHARACTERS]
