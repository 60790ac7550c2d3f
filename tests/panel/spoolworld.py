"""Mail in the spool for tests of its pages: some waits, some has been tried, some is held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clock.moments import utc_now
from spool import summaries
from spool.models import DeliveryAttempt, SpooledRecipient, State
from tests.people import World, make_world
from tests.spool import outgoing
from tests.spool.outgoing import submit

HOSTILE = "<script>alert(1)</script>"


@contextmanager
def spooling() -> Iterator[World]:
    """A world with a committer; nothing delivers, so that all stays where it is."""
    outgoing.forget_everything()
    yield make_world()
    outgoing.stop_committer()


def send(*recipients: str, sender: str = "alice@own.example", **given: object) -> int:
    """A message for other servers, listed as it is a second later; its id."""
    spool_id = submit(*recipients, sender=sender, **given)
    summaries.list_all(now=utc_now())
    return spool_id


def defer(spool_id: int, reply: str = "450 4.2.1 later") -> None:
    """As if it had been tried once, and put off."""
    now = utc_now()
    for row in SpooledRecipient.objects.filter(message=spool_id):
        DeliveryAttempt.objects.create(
            id=row.pk + 1, recipient=row, number=1, started_at=now, finished_at=now,
            outcome=DeliveryAttempt.Outcome.DEFERRED, host="mx.far.test",
            host_address="192.0.2.25", tls="TLSv1.3", reply_code=450, reply=reply,
        )  # fmt: skip
    SpooledRecipient.objects.filter(message=spool_id).update(
        state=State.RETRYING, attempts=1, reply=reply
    )
