"""What comes back from subscribers, and what follows from it (L-013)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum

from blobs.contention import tried_again
from blobs.ids import new_id
from events import audit
from mailinglists import membership
from mailinglists.models import Bounce, MailingList, Subscriber, SubscriberState, Suspension

PERMANENT = 1.0
PASSING = 0.25  # an exact binary fraction, so that sums are exact
NAME = "bounce handling"
_AT_ONCE = 500


@tried_again
@transaction.atomic
def record_bounce(
    *, subscriber_id: int, is_permanent: bool, now: datetime, words: str = ""
) -> Subscriber | None:
    """Count one report about a copy; suspend who has reached the list's limit.

    None: nobody of that id is on a list any more. `words` are those of the other server.
    """
    rows = Subscriber.objects.select_related("mailing_list__domain")
    row = rows.select_for_update(of=("self",)).filter(pk=subscriber_id).first()
    if row is None:
        return None
    weight = PERMANENT if is_permanent else PASSING
    text = membership.clean_name(words)
    Bounce.objects.create(id=new_id(), subscriber=row, at=now, weight=weight, words=text)
    row.bounce_score, row.last_bounce_at = score(row, now), now
    if row.state == SubscriberState.ACTIVE and row.bounce_score >= row.mailing_list.bounce_limit:
        row.state, row.suspended_for = SubscriberState.SUSPENDED, Suspension.BOUNCES
        row.suspended_at = now
        changes = {
            "subscriber": (row.address, row.address),
            "state": ("active", "suspended"),
            "bounce_score": (None, row.bounce_score),
        }
        with audit.acting(name=NAME):
            audit.record(None, "suspended subscriber", row.mailing_list, changes)
    row.save()
    return row


def score(subscriber: Subscriber, now: datetime) -> float:
    """The sum of what came back within the list's days."""
    since = now - timedelta(days=subscriber.mailing_list.bounce_days)
    counted = Bounce.objects.filter(subscriber=subscriber, at__gt=since)
    return float(counted.aggregate(total=Sum("weight"))["total"] or 0)


def age(*, now: datetime) -> int:
    """Forget what is too old to count, and count anew; how many subscribers have a new score."""
    changed = 0
    for days in set(MailingList.objects.values_list("bounce_days", flat=True)):
        before = now - timedelta(days=days)
        old = Bounce.objects.filter(
            at__lte=before, subscriber__mailing_list__bounce_days=days
        ).order_by("id")
        while batch := list(old.values_list("pk", "subscriber_id")[:_AT_ONCE]):
            changed += _age(batch, now)
    return changed


@tried_again
@transaction.atomic
def _age(batch: list[tuple[int, int]], now: datetime) -> int:
    subscribers = Subscriber.objects.select_related("mailing_list").select_for_update(of=("self",))
    rows = list(subscribers.filter(pk__in={key for _, key in batch}).order_by("pk"))
    Bounce.objects.filter(pk__in=[key for key, _ in batch]).delete()
    for row in rows:
        row.bounce_score = score(row, now)
        if not row.bounce_score:
            row.last_bounce_at = None
        row.save(update_fields=["bounce_score", "last_bounce_at"])
    return len(rows)


def remove_suspended(*, now: datetime) -> int:
    """Take those off their lists who have been suspended for too long; how many."""
    removed = 0
    lists = MailingList.objects.select_related("domain").filter(removal_days__gt=0)
    waiting = Subscriber.objects.filter(suspended_for=Suspension.BOUNCES)
    with_any = lists.filter(pk__in=waiting.values("mailing_list")).order_by(F("pk"))
    for mailing_list in with_any:
        before = now - timedelta(days=mailing_list.removal_days)
        gone = waiting.filter(mailing_list=mailing_list, suspended_at__lte=before).order_by("id")
        while addresses := list(gone.values_list("address", flat=True)[:_AT_ONCE]):
            with audit.acting(name=NAME):
                removed += membership.remove_subscribers(
                    mailing_list=mailing_list, addresses=addresses, by=None
                )
    return removed
