"""The pages of the spool in a browser: by keys and clicks, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from blobs.ids import encode_id
from clock.moments import to_micros, utc_now
from domains.models import DomainThrottling
from spool import gateways, holding, measuring, relaydomains
from spool.models import (
    LedgerHour,
    RefusedMail,
    SpooledRecipient,
    State,
    ThrottleCrossing,
)
from spool.selection import Selection
from spool.throttle import HOUR_MICROS
from tests.browser import Visitor
from tests.panel.spoolworld import HOSTILE, defer, send, spooling
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "a-very-long-name-of-a-mailbox-that-somebody-really-has@subdomain.of.some.far.test"


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    with spooling() as made:
        yield made


@pytest.fixture
def root(visitor: Visitor, world: World) -> Visitor:
    return visitor.log_in(world.root)


def fill(world: World) -> list[int]:
    """Mail in every state that a list shows."""
    ids = [send(f"r{number:02}@far{number % 3}.test") for number in range(26)]
    ids.append(send("a@far.test", "b@far.test", LONG))
    defer(ids[-1], f"450 4.2.1 {HOSTILE} please come back another time, greylisting is in force")
    send(LONG, sender="")
    SpooledRecipient.objects.filter(address="r01@far1.test").update(claimed_by=7)
    SpooledRecipient.objects.filter(address="r02@far2.test").update(state=State.THROTTLED)
    holding.hold(selection=Selection.of([ids[3]]), reason="looked at", by=world.root, now=utc_now())
    measuring.measure(now=utc_now())
    return ids


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/panel/spool/", "spool-none"),
        ("/panel/spool/quarantined/", "quarantine-none"),
        ("/panel/spool/throttled/", "throttled-none"),
        ("/panel/spool/hold-rules/", "hold-rules-none"),
        ("/panel/gateways/", "gateways-none"),
        ("/panel/relay-networks/", "relay-networks-none"),
        ("/panel/ledger/", "ledger-none"),
        ("/panel/trace/?q=x@far.test", "trace-none"),
    ],
)
def test_pages_with_nothing_on_them(root: Visitor, path: str, name: str) -> None:
    root.inspect(path, name)


def test_pages_of_the_spool(root: Visitor, world: World) -> None:
    ids = fill(world)
    root.inspect("/panel/spool/?rows=25", "spool")
    root.inspect("/panel/spool/waiting/?rows=250&sort=status", "spool-waiting")
    now = utc_now()
    holding.quarantine(selection=Selection.of(ids[4:8]), reason=HOSTILE, by=None, now=now)
    root.inspect("/panel/spool/quarantined/", "quarantine")
    root.inspect(f"/panel/message/{encode_id(ids[5])}/", "message-in-quarantine")
    root.inspect("/panel/spool/?q=priority:99", "spool-error")
    root.inspect("/panel/spool/statistics/?of=own.example&limit=x", "spool-statistics")
    root.inspect("/panel/spool/statistics/?of=own.example&limit=10", "spool-forecast")
    root.inspect("/panel/spool/changes/", "spool-changes")
    root.inspect(f"/panel/message/{encode_id(ids[-1])}/", "message")
    root.inspect(f"/panel/message/{encode_id(ids[-1])}/text/", "message-text")
    root.inspect("/panel/trace/?q=alice@own.example", "trace")
    root.inspect("/panel/ledger/?days=7&check=all", "ledger")
    LedgerHour.objects.filter(domain_id=world.own.pk).update(accepted=99)
    root.inspect("/panel/ledger/?check=all", "ledger-uneven")


def test_pages_of_what_is_held_and_of_ways(root: Visitor, world: World) -> None:
    now = utc_now()
    DomainThrottling.objects.filter(domain=world.own).update(
        outgoing_messages_per_hour=1, outgoing_messages_per_hour_enabled=True
    )
    ThrottleCrossing.objects.create(
        kind="domain", key_id=world.own.pk, hour=to_micros(now) // HOUR_MICROS, reason="messages",
        domain_id=world.own.pk, who="own.example", used=1, allowed=1, at=now,
    )  # fmt: skip
    new = holding.NewHoldRule(sender=LONG, destination="far.test", reason=HOSTILE)
    holding.add_rule(new=new, by=world.root, now=now)
    made = gateways.add(
        values={"name": "smarthost", "host": "127.0.0.1", "port": 1, "username": "me"},
        password="x", destinations=["far.test"], sending_domains=["own.example"], by=None,
    )  # fmt: skip
    relaydomains.add(name="backup.example", by=None, values={"note": LONG})
    RefusedMail.objects.create(
        id=1, at=now, client_address="2001:db8::1", client_name=LONG, sender=LONG, recipient=LONG,
        reply=f"550 5.1.1 {HOSTILE}",
    )  # fmt: skip
    for path, name in (
        ("/panel/spool/throttled/", "throttled"),
        ("/panel/spool/hold-rules/", "hold-rules"),
        ("/panel/gateways/", "gateways"),
        ("/panel/gateways/new/", "gateway-new"),
        (f"/panel/gateways/{made.pk}/", "gateway"),
        (f"/panel/gateways/{made.pk}/delete/", "gateway-delete"),
        ("/panel/relay-domains/", "relay-domains"),
        ("/panel/forwarding-blacklist/", "forwarding-blacklist"),
        ("/panel/trace/refused/", "refused"),
    ):
        root.inspect(path, name)
    page = root.go("/panel/gateways/")
    page.get_by_role("button", name="Test smarthost").click()
    expect(page.get_by_text("The test failed")).to_be_visible(timeout=20_000)
    root.picture("gateway-test")
    root.check_accessibility()
    root.check_quiet()


def test_people_of_a_domain_see_their_traces(visitor: Visitor, world: World) -> None:
    ids = fill(world)
    visitor.log_in(world.admin)
    visitor.inspect("/panel/trace/?q=alice@own.example", "trace-admin")
    visitor.inspect(f"/panel/message/{encode_id(ids[-1])}/", "message-admin")
    visitor.inspect("/panel/ledger/", "ledger-admin")


@pytest.mark.spec("S-015", "S-021", "S-034", "S-038", "S-042")
@pytest.mark.spec("S-020")
def test_marked_rows_are_acted_on_and_stay_marked_when_it_is_refreshed(
    root: Visitor, world: World
) -> None:
    fill(world)
    page = root.go("/panel/spool/?rows=25")
    expect(page.locator("#bulk")).to_be_hidden()
    page.get_by_label("Select all messages of this page").check()
    expect(page.get_by_text("25 selected")).to_be_visible()
    page.get_by_label("not only this page").check()
    expect(page.get_by_text("28 selected")).to_be_visible()
    page.get_by_label("not only this page").uncheck()
    page.get_by_label("Select all messages of this page").uncheck()
    expect(page.locator("#bulk")).to_be_hidden()
    boxes = page.locator('input[name="selected"]')
    boxes.nth(4).check()
    boxes.nth(5).check()
    page.evaluate("document.querySelector('#list-form').dataset.isOld = 'yes'")
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#list-form[data-is-old]")).to_have_count(0)
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(boxes.nth(5)).to_be_checked()
    page.locator("#bulk summary", has_text="Priority").click()
    root.picture("spool-menu")
    root.check_accessibility()
    page.get_by_label("Priority", exact=True).select_option("9")
    page.get_by_role("button", name="Set priority").click()
    expect(page.get_by_text("Priority: 2 done.")).to_be_visible()
    root.picture("spool-done")
    boxes.nth(4).check()
    page.locator("#bulk").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Delete: 1 done.")).to_be_visible()
    expect(page.get_by_text("25 of 27")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone for 1 message.")).to_be_visible()
    root.check_quiet()


def test_enter_in_a_reason_holds_and_does_not_force(root: Visitor, world: World) -> None:
    send("a@far.test")
    page = root.go("/panel/spool/")
    page.locator('input[name="selected"]').check()
    page.locator("#bulk summary", has_text="Hold").click()
    page.get_by_label("Reason to hold").fill("looked at")
    page.get_by_label("Reason to hold").press("Enter")
    expect(page.get_by_text("Hold: 1 done.")).to_be_visible()
    assert SpooledRecipient.objects.get().hold_reason == "looked at"


@pytest.mark.spec("S-015")
def test_the_list_refreshes_itself_when_asked_to(root: Visitor, world: World) -> None:
    send("a@far.test")
    page = root.go("/panel/spool/")
    page.clock.install()
    page = root.go("/panel/spool/?refresh=10")
    send("second@far.test")
    expect(page.get_by_text("second@far.test")).to_have_count(0)
    page.clock.run_for(11_000)
    expect(page.get_by_text("second@far.test")).to_have_count(1)
    root.check_quiet()


def test_everything_basic_works_without_javascript(root: Visitor, world: World) -> None:
    fill(world)
    context = root.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(root.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{root.address}/panel/spool/")
    page.get_by_label("Filter messages").fill("r05@far2.test")
    page.get_by_role("button", name="Filter").click()
    page.locator('input[name="selected"]').check()
    page.get_by_role("button", name="Force").click()
    expect(page.get_by_text("Force: 1 done.")).to_be_visible()
    page.get_by_role("link", name="0/1").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    page.get_by_role("link", name="View", exact=True).click()
    expect(page.get_by_text("Hi.").first).to_be_visible()
    context.close()
