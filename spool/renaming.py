"""What waits in the spool under a domain's name, when it gets another one (D-113)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.renaming import replace_domain
from domains.changes import Followed
from domains.renaming import Naming
from spool.configuration import SPOOL
from spool.models import HoldRule, RelayDomain, Route, SpooledMessage, SpooledRecipient, State
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


def follow(naming: Naming) -> Iterator[Followed]:
    """In the transaction that renames."""
    ending = f"@{naming.old}"
    waiting = waiting_for(naming.domain_id).filter(address__endswith=ending)
    yield Followed("recipients of waiting mail", replace_domain(waiting, "address", naming))
    yield Followed("senders of waiting mail", _follow_senders(naming))
    rules = 0
    for side in ("sender", "recipient"):
        rows = HoldRule.objects.filter(**{f"{side}__iendswith": ending})
        rules += replace_domain(rows, side, naming)
    yield Followed("rules that hold mail", rules)
    postmaster = SPOOL.load().postmaster
    if postmaster.lower().endswith(ending):
        new = f"{postmaster[: -len(naming.old)]}{naming.new.name}"
        _change_postmaster(new)
        yield Followed("the postmaster's address of the server", 1)


def _change_postmaster(address: str) -> None:
    # The rename is what the audit trail tells of, and renaming back takes this back, too.
    SPOOL.model.objects.update(postmaster=address)
    publish_on_commit(Topic.SETTINGS, 0, SPOOL.name.encode(), durable=True)
    transaction.on_commit(SPOOL.forget)


def _follow_senders(naming: Naming) -> int:
    """Only where the old name is given up: else what the message says of its author still fits."""
    if naming.keeps_old:
        return 0
    rows = SpooledMessage.objects.filter(
        finished_at=None, domain=naming.domain_id, sender__iendswith=f"@{naming.old}"
    )
    return replace_domain(rows, "sender", naming)


def waiting_for(domain_id: int) -> QuerySet[SpooledRecipient]:
    """Recipients with a mailbox of the domain that have not got their mail yet."""
    return SpooledRecipient.objects.filter(
        state__lt=State.DELIVERED, route=Route.LOCAL, account__domain=domain_id
    )


def being_delivered(domain_id: int, *, now: datetime) -> int:
    """How many of them an agent has in hand this moment."""
    in_hand = Q(claimed_by__isnull=False, claimed_until__gt=now)
    return waiting_for(domain_id).filter(in_hand).count()


def deliver_what_waited(domain_id: int, *, now: datetime) -> int:
    """What was held back while the domain was closed goes on at once; how many recipients."""
    held = waiting_for(domain_id).filter(
        state=State.HELD, hold_reason="", due_at__isnull=False, claimed_by=None
    )
    count = held.update(due_at=now)
    if count:
        publish_on_commit(Topic.SPOOL)
    return count


def is_relayed(name: str) -> bool:
    """Whether mail for the name is passed on to another server (G-016)."""
    return RelayDomain.objects.filter(name=name).exists()
