"""Every page as a browser shows it: accessible, quiet, and no wider than a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from clock.moments import to_micros, utc_now
from domains.models import Domain
from mailboxes.models import DomainUsage
from spool import throttle
from spool.models import ThrottleCrossing
from tests.browser import Visitor
from tests.factories import make_domain
from tests.people import make_world
from zones.models import ZoneCheck

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_log_in_page(visitor: Visitor) -> None:
    visitor.inspect("/panel/login/", "login")


@pytest.fixture
def root(visitor: Visitor) -> Visitor:
    """A system administrator's window on a server with some customers."""
    world = make_world()
    for number in range(26):
        make_domain(f"customer{number:02}.example", "carol", "dave")
    Domain.objects.filter(name="customer03.example").update(is_disabled=True)
    for number, domain in enumerate(Domain.objects.order_by("name")[:10]):
        usage = {"bytes": 55_000_000 * (number + 1)}
        DomainUsage.objects.update_or_create(domain=domain, defaults=usage)
        level = ("ok", "warning", "error")[number % 3]
        ZoneCheck.objects.create(domain=domain, checked_at=utc_now(), level=level)
    throttled, now = Domain.objects.get(name="customer01.example"), utc_now()
    ThrottleCrossing.objects.create(
        kind="domain", key_id=throttled.pk, domain_id=throttled.pk, reason="messages", at=now,
        hour=throttle.hour_of(to_micros(now)), who=throttled.name, used=5, allowed=5,
    )  # fmt: skip
    return visitor.log_in(world.root)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/panel/", "home"),
        ("/panel/domains/?size=25", "domains"),
        ("/panel/domains/?q=nothing", "domains-none"),
        ("/panel/domains/new/", "domain-new"),
        ("/panel/domain/own.example/", "domain"),
        ("/panel/domains/delete/?name=own.example", "domain-delete"),
        ("/panel/search/?q=a", "search"),
    ],
)
def test_pages_of_a_system_administrator(root: Visitor, path: str, name: str) -> None:
    root.inspect(path, name)


@pytest.mark.spec("X-003")
def test_pages_of_everybody_else(visitor: Visitor) -> None:
    world = make_world()
    for who in ("reseller", "admin", "user"):
        visitor.log_in(getattr(world, who))
        visitor.inspect("/panel/", f"home-{who}")


def test_a_list_is_filtered_and_sorted_without_leaving_the_page(root: Visitor) -> None:
    page = root.go("/panel/domains/?size=25")
    page.get_by_label("Filter domains").type("customer1")
    expect(page.locator("#list tbody tr")).to_have_count(10)
    assert "q=customer1" in page.url
    page.get_by_role("link", name="Disabled").click()
    expect(page.get_by_text("No domains match")).to_be_visible()
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name="Disk space").click()
    expect(page.get_by_role("columnheader", name="Disk space")).to_have_attribute(
        "aria-sort", "ascending"
    )
    root.check_accessibility()
    root.check_quiet()


@pytest.mark.spec("D-005", lacks="spam and content filtering, and archiving")
def test_checked_rows_are_disabled_from_the_toolbar_and_undone(root: Visitor) -> None:
    page = root.go("/panel/domains/?size=25")
    page.get_by_label("Select customer00.example").check()
    page.get_by_label("Select customer01.example").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_label("Actions for customer02.example").click()
    expect(page.get_by_role("link", name="Edit domain")).to_be_visible()
    root.picture("domains-menu")
    root.check_accessibility()
    page.keyboard.press("Escape")
    page.locator("#bulk").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled 2 domains.")).to_be_visible()
    root.picture("domains-done")
    root.check_accessibility()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Enabled 2 domains.")).to_be_visible()
    assert Domain.objects.filter(is_disabled=True).count() == 1
    root.check_quiet()


def test_tabs_are_opened_by_keys_and_the_one_with_an_error_by_itself(root: Visitor) -> None:
    page = root.go("/panel/domain/own.example/")
    page.get_by_role("tab", name="Options").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("POP port")).to_be_visible()
    root.picture("domain-technical")
    page.get_by_label("POP port").fill("143")
    expect(page.get_by_text("You have unsaved changes.")).to_be_visible()
    page.get_by_role("tab", name="Limits").click()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Port 143 is taken")).to_be_visible()
    root.picture("domain-error")
    root.check_accessibility()
    root.check_quiet()


def test_everything_basic_works_without_javascript(root: Visitor) -> None:
    context = root.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(root.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{root.address}/panel/domains/?size=25")
    page.get_by_label("Filter domains").fill("own")
    page.get_by_label("Filter domains").press("Enter")
    page.get_by_label("Select own.example").check()
    page.get_by_role("button", name="Disable", exact=True).click()
    assert Domain.objects.get(name="own.example").is_disabled
    page.get_by_role("link", name="Edit own.example", exact=True).click()
    page.get_by_label("POP port").fill("1110")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved own.example.")).to_be_visible()
    context.close()
