"""Results that no server gave: of tries that were broken off, repeated in words, or failed here."""

from __future__ import annotations

from clock.moments import to_micros, utc_now
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool.work import NOBODY, Peer, Result, Work

STOPPED = Reply(451, "4.3.2", "This server was stopped during the try")
FAULT = Reply(451, "4.3.0", "Delivery failed here, for a reason of ours")


def repeated(work: Work, outcome: Outcome, peer: Peer) -> list[Result]:
    """The words of the last try to reach a destination, for mail that came after it."""
    now = to_micros(utc_now())
    return [Result(recipient, outcome, now, now, peer) for recipient in work.recipients]


def broken_off(work: Work) -> list[Result]:
    """What the other side got by then is not known: it may get the message again."""
    outcome = Outcome(Verdict.DEFERRED, STOPPED, Stage.END_OF_DATA, by_peer=False)
    now = to_micros(utc_now())
    return [Result(recipient, outcome, now, now) for recipient in work.recipients]


def faulty(work: Work, started_at: int, words: str) -> list[Result]:
    """`started_at` in microseconds; `words`: the traceback."""
    outcome = Outcome(Verdict.DEFERRED, FAULT, Stage.CONNECT, by_peer=False)
    now = to_micros(utc_now())
    return [
        Result(recipient, outcome, started_at, now, NOBODY, traceback=words)
        for recipient in work.recipients
    ]
