"""Reports about copies of posts, which come back to the address of bounces (L-013)."""

from __future__ import annotations

from mailinglists import bounces, signedids
from mailinglists.addresses import Part
from protocols.message import dsn_reader
from protocols.message.reports import Action, RecipientReport
from spool.agents.mailinglist import Incoming, Taken, discarded, done, takes

SEARCHED_BYTES = 1024 * 1024


@takes(Part.BOUNCES)
def take(incoming: Incoming) -> Taken:
    """It reaches no mailbox, whatever it says."""
    subscriber_id = signedids.returned_to(incoming.local_part)
    if subscriber_id is None:
        return discarded("it names no subscriber of the list")
    failed = _failed(incoming.read()[:SEARCHED_BYTES])
    if failed is None:
        return discarded("it is no report of a failure")
    is_permanent = failed.status.startswith("5")
    row = bounces.record_bounce(
        subscriber_id=subscriber_id,
        is_permanent=is_permanent,
        now=incoming.now,
        words=failed.diagnostic or failed.status,
    )
    if row is None:
        return discarded("the subscriber has left the list")
    return done(
        f"Counted for {row.address}",
        "bounce counted",
        subscriber=row.address,
        score=row.bounce_score,
        state=row.state,
    )


def _failed(message: bytes) -> RecipientReport | None:
    """Who did not get it; None: it is no report, or one of a delay or a success."""
    report = dsn_reader.parse(message)
    if report is None:
        return None
    return next((one for one in report.recipients if one.action is Action.FAILED), None)
