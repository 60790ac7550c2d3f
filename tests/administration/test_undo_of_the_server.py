"""What is changed about ways out, who is let in and what is held goes back like all else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from accounts import forwarding
from accounts.models import ForwardingBan, User
from administration import selectors, undo
from administration.errors import NothingToUndo, UndoRefused
from clock.moments import utc_now
from events import audit
from events.models import AuditEntry
from operations import blocks, listing, rules
from operations.models import AbuseRule, BlacklistEntry, Block, WhitelistEntry
from spool import gateways, holding, relaydomains, singly
from spool.holding import NewHoldRule
from spool.models import (
    Gateway,
    HoldRule,
    RelayDomain,
    SingleDestination,
    SpooledRecipient,
    State,
)
from spool.selection import Selection
from tests.panel.spoolworld import send, spooling
from tests.people import World, make_world
from tests.races import Pause, beside
from transport import overrides
from transport.models import TlsPolicyOverride
from zones import published
from zones.models import PublishedPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.spec("X-005")]


def undo_latest(by: User | None = None) -> undo.Undone:
    entry = AuditEntry.objects.order_by("-id")[0]
    return undo.undo(selectors.operation_for(None, entry=entry.pk), by=by)


@pytest.fixture
def world() -> World:
    return make_world()


def test_a_deleted_gateway_comes_back_and_without_its_password_it_is_off(world: World) -> None:
    values = {"name": "out", "host": "mx.example", "port": 26, "minimum_priority": 3}
    with_scope = {"destinations": [".test"], "sending_domains": ["own.example"]}
    gateways.delete(gateway=gateways.add(values=values, by=None, **with_scope), by=None)
    undo_latest(world.root)
    row = Gateway.objects.get()
    assert (row.port, row.minimum_priority, row.is_enabled) == (26, 3, True)
    assert gateways.scope_of(row) == with_scope
    undo_latest(world.root)  # it was added by the undoing
    assert not Gateway.objects.exists()

    secret = gateways.add(values={**values, "username": "u"}, password="s3cret", by=None)
    gateways.delete(gateway=secret, by=None)
    assert "s3cret" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
    undo_latest(world.root)
    row = Gateway.objects.get()
    assert (row.username, bytes(row.password), row.is_enabled) == ("u", b"", False)
    assert "password is not kept" in AuditEntry.objects.order_by("-id")[0].reason


def test_relay_domains_bans_and_overrides_go_back(world: World) -> None:
    row = relaydomains.add(name="backup.example", values={"host": "in.example"}, by=None)
    relaydomains.change(row=row, values={"port": 2525}, by=None)
    undo_latest()
    assert RelayDomain.objects.get().port == 25
    relaydomains.remove(row=RelayDomain.objects.get(), by=None)
    undo_latest(world.root)
    assert RelayDomain.objects.get().host == "in.example"
    undo_latest(world.root)
    assert not RelayDomain.objects.exists()

    ban = forwarding.add(name="*.strict.example", note="spam traps", by=None)
    forwarding.change(row=ban, values={"note": "none"}, by=None)
    undo_latest(world.root)
    forwarding.remove(row=ForwardingBan.objects.get(), by=None)
    undo_latest(world.root)
    assert ForwardingBan.objects.get().note == "spam traps"

    single = singly.add(name=".lists.example", note="VERP", by=None)
    singly.change(row=single, values={"note": "none"}, by=None)
    undo_latest(world.root)
    singly.remove(row=SingleDestination.objects.get(), by=None)
    undo_latest(world.root)
    assert SingleDestination.objects.get().note == "VERP"
    undo_latest(world.root)
    assert not SingleDestination.objects.exists()

    overrides.set_override(destination="x.example", level="required", note="asked for", by=None)
    overrides.set_override(destination="x.example", level="none", by=None)
    undo_latest(world.root)
    assert TlsPolicyOverride.objects.get().level == "required"
    overrides.remove_override(destination="x.example", by=None)
    undo_latest(world.root)
    assert TlsPolicyOverride.objects.get().note == "asked for"

    published.change_policy(domain=world.own, values={"more_hosts": "mx.example"}, by=None)
    published.reset_policy(domain=world.own, by=None)
    undo_latest(world.reseller)
    assert PublishedPolicy.objects.get().more_hosts == "mx.example"


def test_abuse_rules_lists_and_blocks_go_back(world: World) -> None:
    rule = AbuseRule.objects.filter(kind="guessing").first() or rules.add(
        values={"kind": "guessing", "window_seconds": 60, "threshold": 5, "block_seconds": 60},
        by=None,
    )
    was = {name: getattr(rule, name) for name in rules.FIELDS}
    rules.change(rule=rule, values={"threshold": 99}, by=None)
    undo_latest(world.root)
    rules.delete(rule=AbuseRule.objects.get(pk=rule.pk), by=None)
    undo_latest(world.root)
    assert AbuseRule.objects.filter(**was).count() == 1

    row = listing.add(BlacklistEntry, network="198.18.0.0/24", services=["smtp"], note="x", by=None)
    listing.change(row=row, values={"note": "y"}, by=None)
    undo_latest(world.root)
    listing.remove(row=BlacklistEntry.objects.get(), by=None)
    undo_latest(world.root)
    back = BlacklistEntry.objects.get()
    assert (back.network, back.services, back.note) == ("198.18.0.0/24", ["smtp"], "x")
    listing.import_csv(WhitelistEntry, "198.51.100.1\n198.51.100.2,,a note\n", by=None)
    kept = listing.add(WhitelistEntry, network="203.0.113.9", by=None)
    entry = AuditEntry.objects.get(verb="imported whitelist entries")
    undo.undo([entry], by=world.root)
    assert list(WhitelistEntry.objects.all()) == [kept]

    block = blocks.add(network="198.51.100.77", service="imap", seconds=600, note="n", by=None)
    blocks.lift(block=block, by=None)
    undo_latest(world.root)
    again = Block.objects.get()
    left = again.until - utc_now() if again.until else None
    assert left is not None and timedelta(seconds=500) < left <= timedelta(seconds=600)
    assert (again.service, again.note) == ("imap", "n")


def test_only_who_manages_the_server_takes_such_things_back(world: World) -> None:
    relaydomains.add(name="backup.example", by=None)
    with pytest.raises(UndoRefused, match="manage server"):
        undo_latest(world.reseller)
    assert RelayDomain.objects.exists()


@pytest.fixture
def spool_world(transactional_db: None) -> Iterator[World]:
    with spooling() as made:
        yield made


def states() -> set[int]:
    return set(SpooledRecipient.objects.values_list("state", flat=True))


def test_a_hold_rule_goes_with_what_it_holds_and_comes_back(spool_world: World) -> None:
    send("bob@far.test")
    with audit.acting():
        new = NewHoldRule(destination="far.test", reason="looks odd", domain=spool_world.own)
        holding.add_rule(new=new, by=None, now=utc_now())
    assert states() == {State.HELD}
    undo_latest(spool_world.root)
    assert (states(), HoldRule.objects.count()) == ({State.QUEUED}, 0)
    undo_latest(spool_world.root)  # the undoing was a change, too
    rule = HoldRule.objects.get()
    assert (rule.destination, rule.reason, rule.domain) == (
        "far.test", "looks odd", spool_world.own,
    )  # fmt: skip
    assert states() == {State.HELD}


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_rule_that_quarantines_is_undone_with_what_it_put_there(spool_world: World) -> None:
    send("bob@far.test")
    with audit.acting():
        new = NewHoldRule(destination="far.test", reason="looks odd", quarantines=True)
        holding.add_rule(new=new, by=None, now=utc_now())
    assert SpooledRecipient.objects.get().is_quarantined
    undo_latest(spool_world.root)
    assert (states(), HoldRule.objects.count()) == ({State.QUEUED}, 0)
    rule, _ = holding.add_rule(new=new, by=None, now=utc_now())
    with audit.acting():
        holding.remove_rule(rule=rule, by=None, now=utc_now())
    assert SpooledRecipient.objects.get().is_quarantined
    undo_latest(spool_world.root)
    assert HoldRule.objects.get().quarantines is True


def test_what_was_done_to_mail_in_the_spool_is_undone_from_the_trail(spool_world: World) -> None:
    one, other = send("bob@far.test"), send("eve@far.test")
    selection = Selection.of([one], actor=spool_world.root)
    with audit.acting():
        holding.hold(selection=selection, reason="wait", by=spool_world.root, now=utc_now())
    assert SpooledRecipient.objects.get(message=one).state == State.HELD
    entry = AuditEntry.objects.get(verb="held mail in the spool")
    undo.undo([entry], by=spool_world.root)
    assert states() == {State.QUEUED}
    assert other
    with pytest.raises(UndoRefused, match="instead"):
        undo_latest(spool_world.root)


@pytest.mark.django_db(transaction=True)
def test_two_who_undo_the_same_at_once_undo_it_once() -> None:
    new = NewHoldRule(sender="bulk@one.example", reason="ask first")
    rule, _ = holding.add_rule(new=new, by=None, now=utc_now())
    holding.remove_rule(rule=rule, by=None, now=utc_now())
    entries = selectors.operation_for(None, entry=AuditEntry.objects.order_by("-id")[0].pk)

    def undo_first(pause: Pause) -> None:
        undo.undo(entries, by=None)
        pause()

    with beside(undo_first), pytest.raises(NothingToUndo):
        undo.undo(entries, by=None)
    assert HoldRule.objects.count() == 1
