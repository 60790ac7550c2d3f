"""The pages around a domain as a browser shows them: accessible, quiet, no wider than a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.conf import settings as conf
from playwright.sync_api import expect

from accounts import plans
from accounts.models import Status, User
from clock.moments import utc_now
from domains import claims
from domains.models import Domain
from mailboxes.models import AccountUsage
from tests.browser import Visitor
from tests.dns_server import ThreadedDnsServer
from tests.factories import PASSWORD, make_alias, make_user
from tests.people import make_world

pytestmark = pytest.mark.django_db(transaction=True)
OWN = "/panel/domain/own.example/"


@pytest.fixture
def dns() -> Iterator[ThreadedDnsServer]:
    with ThreadedDnsServer({("mx.host.test", "A"): ["192.0.2.1"]}) as server:
        yield server


@pytest.fixture
def root(visitor: Visitor, dns: ThreadedDnsServer, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """A system administrator's window on a domain with some users, and DNS of its own."""
    monkeypatch.setattr(conf, "MAILHOST_DNS_SERVERS", [dns.address])
    monkeypatch.setattr(conf, "MAILHOST_HOSTNAME", "mx.host.test")
    world = make_world()
    make_alias(world.own, "info", *(f"user{number}@elsewhere.example" for number in range(8)))
    plans.add(name="Small", values={"domains": 5, "users": 50}, by=None)
    plans.put_on(username="rob", plan_name="Small", by=None)
    for number in range(12):
        make_user(world.own, f"user{number:02}", full_name=f"Person {number}", mailbox_size_mb=100)
    User.objects.filter(local_part__in=["user03", "user04"]).update(status=Status.DISABLED)
    for number, user in enumerate(User.objects.filter(domain=world.own)):
        usage = {"bytes": 9_000_000 * number, "messages": 100 * number}
        AccountUsage.objects.update_or_create(account=user, defaults=usage)
    claims.claim(domain=world.own, name="claimed.example", by=None, now=utc_now())
    return visitor.log_in(world.root)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("users/", "users"),
        ("users/?q=nothing", "users-none"),
        ("users/new/", "user-new"),
        ("user/alice/", "user"),
        ("users/import/", "users-import"),
        ("aliases/", "aliases"),
        ("aliases/new/", "alias-new"),
        ("alias/sales/", "alias"),
        ("catch-all/", "catch-all"),
        ("domain-aliases/", "domain-aliases"),
        ("folder/", "folder"),
        ("user/alice/export/", "user-export"),
        ("disk-space/", "disk"),
        ("owner/", "owner"),
        ("dns/", "dns"),
        ("opened/", "opened"),
        ("../../domains/new/step/1/", "wizard"),
        ("../../resellers/", "resellers"),
        ("../../resellers/new/", "reseller-new"),
        ("../../reseller/rob/", "reseller"),
        ("../../plans/", "plans"),
        ("../../plans/new/", "plan-new"),
    ],
)
def test_pages_around_a_domain(root: Visitor, path: str, name: str) -> None:
    root.inspect(OWN + path, name)


def test_pages_of_a_domain_administrator(visitor: Visitor) -> None:
    visitor.log_in(make_world().admin)
    for path, name in (("users/", "admin-users"), ("user/alice/", "admin-user")):
        visitor.inspect(OWN + path, name)


def test_a_user_is_added_disabled_and_deleted_in_a_browser(root: Visitor) -> None:
    page = root.go(f"{OWN}users/new/")
    page.get_by_role("button", name="Add user").first.click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    root.picture("user-error")
    root.check_accessibility()
    page.get_by_label("User name").fill("nina")
    page.get_by_role("button", name="Add user").first.click()
    expect(page.get_by_text("Added nina@own.example.")).to_be_visible()
    page.get_by_label("Select nina@own.example").check()
    page.locator("#bulk").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled nina@own.example.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: changed user nina@own.example.")).to_be_visible()
    page = root.go(f"{OWN}users/")
    page.get_by_label("Actions for nina@own.example").click()
    root.picture("users-menu")
    page.get_by_role("button", name="Delete…").last.click()
    expect(page.get_by_role("button", name="Delete")).to_be_disabled()
    root.picture("user-delete")
    root.check_accessibility()
    page.get_by_label("Type nina@own.example to confirm").fill("nina@own.example")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted nina@own.example.")).to_be_visible()
    root.check_quiet()


def test_a_file_of_users_is_imported_in_a_browser(root: Visitor) -> None:
    page = root.go(f"{OWN}users/import/")
    lines = b"username,full_name,mailbox_size_mb\nnina,Nina,10\nalice,,\nbad name,,x\n"
    file = {"name": "users.csv", "mimeType": "text/csv", "buffer": lines}
    page.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("1 line has errors")).to_be_visible()
    root.picture("users-import-preview")
    root.check_accessibility()
    page.get_by_role("button", name="Import 1 user").click()
    expect(page.get_by_text("Imported users: 1 added.")).to_be_visible()
    root.check_quiet()


def test_users_are_managed_without_javascript(root: Visitor) -> None:
    context = root.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(root.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{root.address}{OWN}users/")
    page.get_by_label("Select alice@own.example").check()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_text("Disabled alice@own.example.")).to_be_visible()
    page.get_by_role("link", name="alice@own.example", exact=True).click()
    page.get_by_label("Full name").fill("Alice Liddell")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved alice@own.example.")).to_be_visible()
    page.get_by_role("button", name="Delete user").click()
    page.get_by_label("Type alice@own.example to confirm").fill("alice@own.example")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted alice@own.example.")).to_be_visible()
    context.close()


@pytest.mark.spec("D-022", "D-023", "D-024", "D-025")
def test_a_domain_is_opened_step_by_step_in_a_browser(root: Visitor) -> None:
    page = root.go("/panel/domains/new/")
    page.get_by_role("link", name="Step by step").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("This field is required.").first).to_be_visible()
    root.picture("wizard-error")
    root.check_accessibility()
    page.get_by_label("Domain name").fill("new.example")
    page.get_by_label("Administrator's user name").fill("ada")
    page.get_by_label("Administrator's password").fill(PASSWORD)
    page.get_by_label("Administrator's password").press("Enter")
    for title in ("Technical", "Features", "Limits"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Sharing")).to_be_visible()
    page.get_by_role("button", name="Back").click()
    page.get_by_label("User aliases").fill("7")
    page.get_by_role("button", name="Next").click()
    assert not Domain.objects.filter(name="new.example").exists()
    page.get_by_role("button", name="Open domain").click()
    expect(page.get_by_role("heading", name="new.example is open")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Copy all ?: Needed")).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert Domain.objects.get(name="new.example").domainlimits.user_aliases == 7  # type: ignore[attr-defined]
    root.check_quiet()


def test_aliases_are_managed_without_javascript(root: Visitor) -> None:
    context = root.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(root.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{root.address}{OWN}aliases/")
    page.get_by_role("link", name="Add alias").click()
    page.get_by_label("Alias", exact=True).fill("team")
    page.get_by_label("Leads to").fill("alice")
    page.get_by_role("button", name="Add alias").click()
    expect(page.get_by_text("Added team@own.example.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: added alias team@own.example.")).to_be_visible()
    page.goto(f"{root.address}{OWN}aliases/")
    page.get_by_label("Select sales@own.example").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted sales@own.example.")).to_be_visible()
    page.goto(f"{root.address}{OWN}domain-aliases/")
    page.get_by_label("Further name").fill("bücher.example")
    page.get_by_role("button", name="Add domain alias").click()
    expect(page.get_by_text("Added bücher.example.")).to_be_visible()
    context.close()
