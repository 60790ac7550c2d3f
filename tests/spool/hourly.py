"""Domains and users with limits of an hour, and what of their mail may leave."""

from __future__ import annotations

from datetime import UTC, datetime

from accounts.directory import login
from clock.moments import to_micros
from spool.models import Kind, SpooledMessage, SpooledRecipient, State, ThrottleHour
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic
from tests import factories
from tests.spool.claiming import claim
from tests.spool.outgoing import submit

TEN_TO_THREE = datetime(2026, 3, 1, 14, 50, tzinfo=UTC)
THREE = TEN_TO_THREE.replace(hour=15, minute=0)


def limited(name="one.example", **limits):
    """A domain that may send so much: messages=5, bandwidth_mb=1, bounces=3."""
    return factories.make_domain(name, "alice", throttling=throttling(**limits))


def throttling(*, messages=None, bandwidth_mb=None, bounces=None):
    fields = {
        "outgoing_messages_per_hour": messages,
        "outgoing_bandwidth_mb_per_hour": bandwidth_mb,
        "bounces_received_per_hour": bounces,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return given | {f"{name}_enabled": True for name in given}


def warnings():
    return SpooledMessage.objects.filter(kind=Kind.EVENT).count()


def look(now, *, owner=7):
    """Claim as the committer would; the names of the recipients that may leave."""
    found = claim(owner=owner, now=to_micros(now)).result.recipients
    return [one.address.partition("@")[0] for one in found]


def send(now):
    """The same, and what may leave does."""
    names = look(now)
    SpooledRecipient.objects.filter(claimed_by=7).update(
        state=State.RELAYED, due_at=None, claimed_by=None
    )
    return names


def row(name):
    return SpooledRecipient.objects.get(address__startswith=f"{name}@")


def used(domain_id, now=TEN_TO_THREE):
    hour = to_micros(now) // 3_600_000_000
    found = ThrottleHour.objects.filter(kind="domain", key_id=domain_id, hour=hour).first()
    return (found.messages, found.sent_bytes) if found else (0, 0)


def wake():
    publish_on_commit(Topic.SPOOL)


def count(state):
    return SpooledRecipient.objects.filter(state=state).count()


async def size_of(spool_id):
    return (await SpooledMessage.objects.aget(pk=spool_id)).size_bytes


def submit_as_alice(*recipients, **given):
    return submit(*recipients, submitter=login("alice@one.example", local_ip=None), **given)
