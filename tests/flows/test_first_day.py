"""The first day of a hosting company: somebody new runs it, by the pages of the panel alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import browser
from tests.browser import Visitor
from tests.day.neighbours import KIND, Neighbours
from tests.factories import PASSWORD
from tests.operations.outside import OUTSIDER, SETTINGS, greeting, wait_for
from tests.running import RunningServer
from tests.submitting import submit

DOMAIN = "first.example"
ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
USERS = f"username,password,full_name\nalice,{PASSWORD},Alice\nbob,{PASSWORD},Bob\n"
MOST_CONNECTIONS = 50  # of one address to IMAP in five minutes, as a new server allows (M-061)

expect.set_options(timeout=30_000)


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    with Neighbours() as running:
        yield running


@pytest.fixture
def hosting(tmp_path: Path, neighbours: Neighbours) -> Iterator[RunningServer]:
    server = RunningServer(
        tmp_path / "data",
        dns_servers=neighbours.dns.address,
        outgoing_port=neighbours.port,
        **SETTINGS,
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


@pytest.fixture
def visitor(chromium: Browser, hosting: RunningServer) -> Iterator[Visitor]:
    context = chromium.new_context(reduced_motion="reduce")
    context.set_default_timeout(30_000)
    yield Visitor(context, f"http://127.0.0.1:{hosting.port('http')}")
    context.close()


@pytest.mark.spec("D-022", "D-023", "D-025", "M-005", "M-006", "M-052", "M-056", "T-013", "U-061")
def test_a_newcomer_runs_a_hosting_company_from_the_browser_alone(
    visitor: Visitor, hosting: RunningServer, neighbours: Neighbours
) -> None:
    page = _log_in_for_the_first_time(visitor, hosting)
    _open_the_first_domain(page)
    _import_users(page)
    _limit_what_an_hour_allows(page)
    _follow_a_message(page, hosting)
    _release_the_throttled_domain(page, hosting, neighbours)
    _help_a_user(page)
    _stop_and_start_a_service(page, hosting)
    _lift_a_block(page, hosting)
    visitor.check_quiet()


def _log_in_for_the_first_time(visitor: Visitor, hosting: RunningServer) -> Page:
    printed = re.search(r"First administrator: admin\s+password: (\S+)", hosting.log)
    assert printed is not None
    page = visitor.go("/")
    page.get_by_label("Email address or administrator name").fill("admin")
    page.get_by_label("Password").fill(printed[1])
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="What to set")).to_be_visible()
    return page


def _open_the_first_domain(page: Page) -> None:
    task = page.locator(".checklist li").filter(has_text="Open the first domain")
    task.get_by_role("link").click()
    page.get_by_role("link", name="Step by step").click()
    page.get_by_label("Domain name").fill(DOMAIN)
    page.get_by_label("Administrator's user name").fill("ada")
    page.get_by_label("Administrator's password").fill(PASSWORD)
    for title in ("Technical", "Features", "Limits", "Sharing"):
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("heading", name=f". {title}")).to_be_visible()
    page.get_by_role("button", name="Open domain").click()
    expect(page.get_by_role("heading", name=f"{DOMAIN} is open")).to_be_visible()
    expect(page.get_by_role("button", name="Copy all").first).to_be_visible()
    records = "".join(page.locator("[id^=zone-]").all_text_contents())
    assert re.search(rf"^{DOMAIN}\.\s.*\bMX\b", records, re.MULTILINE) and "v=spf1" in records


def _import_users(page: Page) -> None:
    page.get_by_role("link", name="To the users").click()
    page.get_by_role("link", name="Import").click()
    file = {"name": "users.csv", "mimeType": "text/csv", "buffer": USERS.encode()}
    page.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="2 users to add")).to_be_visible()
    page.get_by_role("button", name="Import 2 users").click()
    expect(page.locator("#list tbody tr")).to_have_count(3)


def _limit_what_an_hour_allows(page: Page) -> None:
    page.get_by_role("link", name="Domains", exact=True).first.click()
    page.get_by_role("link", name=f"Edit {DOMAIN}").first.click()
    page.get_by_role("tab", name="Throttling").click()
    page.get_by_label("Outgoing messages", exact=True).fill("1")
    page.get_by_label("Outgoing messages: on").check()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text(f"Saved {DOMAIN}.")).to_be_visible()


def _follow_a_message(page: Page, hosting: RunningServer) -> None:
    submit(hosting, BOB, ALICE)
    page.get_by_role("link", name="Message trace").click()
    page.get_by_label("Find a message").fill(ALICE)
    page.get_by_role("button", name="Find", exact=True).click()
    accepted = page.get_by_role("region", name="Accepted messages")
    accepted.get_by_role("row").filter(has_text=BOB).get_by_role("link").click()
    story = page.locator(".story")
    expect(story).to_contain_text(f"from {BOB}")
    expect(story).to_contain_text(f"It was put into the mailbox of {ALICE}")


def _release_the_throttled_domain(
    page: Page, hosting: RunningServer, neighbours: Neighbours
) -> None:
    taken = neighbours.sinks[KIND].taken
    for number in range(2):
        submit(hosting, ALICE, f"r{number}@{KIND}")
    wait_for(lambda: taken, 40)
    page.get_by_role("link", name="Spool", exact=True).first.click()
    page.get_by_role("link", name="Throttled").first.click()
    row = page.get_by_role("row").filter(has_text=DOMAIN)

    def is_shown() -> bool:
        page.get_by_role("link", name="Refresh").click()
        return row.count() == 1

    wait_for(is_shown, 40)
    expect(row).to_contain_text("1 of 1 messages this hour")
    assert len(taken) == 1
    row.get_by_role("button", name=f"Release {DOMAIN}").click()
    wait_for(lambda: len(taken) == 2, 40)
    expect(page.get_by_text("Nobody is throttled")).to_be_visible()


def _help_a_user(page: Page) -> None:
    page.get_by_role("link", name="Impersonate user").click()
    page.get_by_label("Email address").fill(ALICE)
    page.get_by_label("Reason").fill("She asked for it")
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Open a new window").click()
    window = popup.value
    expect(window.get_by_text(f"You are {ALICE}, impersonated by admin")).to_be_visible()
    settings = window.get_by_role("list", name="Settings")
    settings.get_by_role("link", name="My account").click()
    window.get_by_label("Full name").fill("Alice Liddell")
    window.get_by_role("button", name="Save").click()
    expect(window.get_by_label("Full name")).to_have_value("Alice Liddell")
    window.get_by_role("link", name="What happened").click()
    expect(window.get_by_text("She asked for it").first).to_be_visible()
    window.get_by_role("button", name="End", exact=True).click()
    expect(window.get_by_text(f"You are no longer {ALICE}")).to_be_visible()
    window.close()


def _stop_and_start_a_service(page: Page, hosting: RunningServer) -> None:
    port = hosting.port("imap")
    page.get_by_role("link", name="Services", exact=True).first.click()
    page.get_by_role("button", name="Stop IMAP", exact=True).click()
    expect(page.locator("#state-imap")).to_contain_text("Stopped")
    wait_for(lambda: not _greets(port, "127.0.0.1"), 40)
    page.get_by_role("button", name="Start IMAP", exact=True).click()
    expect(page.locator("#state-imap")).to_contain_text("Running")
    wait_for(lambda: _greets(port, "127.0.0.1"), 40)


def _lift_a_block(page: Page, hosting: RunningServer) -> None:
    port = hosting.port("imap")
    for _ in range(MOST_CONNECTIONS + 10):
        _greets(port, OUTSIDER)
    wait_for(lambda: not _greets(port, OUTSIDER), 40)
    page.get_by_role("link", name="Current blocks").click()
    row = page.get_by_role("row").filter(has_text=OUTSIDER)
    expect(row).to_contain_text("Too many connections")
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nobody is blocked")).to_be_visible()
    wait_for(lambda: _greets(port, OUTSIDER), 40)


def _greets(port: int, source: str) -> bool:
    try:
        return bool(greeting(port, source).startswith(b"* OK"))
    except OSError:  # nobody listens
        return False
