"""The operator's pages in a browser: accessible, quiet, no wider than a phone, and usable."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from accounts.models import User
from clock.moments import utc_now
from jobs.models import Job, State
from logbook.kinds import Kind as LogKind
from logbook.writer import BOOK
from operations import blocks, listing, logs, rules, transcripts
from operations.models import (
    BlacklistEntry,
    Block,
    Connection,
    Kind,
    ServiceReport,
    ServiceState,
    Transcript,
    WhitelistEntry,
)
from spool import singly
from spool.models import LedgerHour
from tests.browser import Visitor
from tests.panel.activity import make_connection, make_job, make_process
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def people() -> World:
    return make_world()


@pytest.fixture
def root(visitor: Visitor, people: World) -> Visitor:
    """A busy server's administrator."""
    process = make_process(failing="imap")
    for number in range(4):
        make_connection(process, "smtp", client_address=f"192.0.2.{number}", minutes=number * 50)
        make_connection(process, "imap", user=people.user, client_address="2001:db8::25")
    make_connection(process, "pop", user=people.admin, client_address="203.0.113.9")
    make_connection(process, "smtp", client_address="203.0.113.25", is_outbound=True)
    rules.apply_preset("factory", by=None)
    singly.add(name="picky.example", note=HOSTILE, by=None)
    blocks.add(network="203.0.113.66", seconds=600, service="smtp", note=HOSTILE, by=None)
    Block.objects.create(
        network="198.51.100.0/24", kind=Kind.HARVESTING, service="smtp", note="21 in 300 s",
        since=utc_now(), until=utc_now() + timedelta(hours=1), hits=12,
    )  # fmt: skip
    listing.add(BlacklistEntry, network="203.0.113.0/24", services=("smtp",), note=HOSTILE, by=None)
    listing.add(WhitelistEntry, network="198.51.100.9", by=None, skips_greylisting=True)
    hour = int(utc_now().timestamp()) // 3600
    for number in range(20):
        counts = {"accepted": 90 + number * 7 % 40, "delivered": 60 + number, "relayed": 25}
        LedgerHour.objects.create(domain_id=0, hour=hour - number, bounced=number % 4, **counts)
    _write_logs()
    transcripts.start(subject="192.0.2.1", by=people.root, now=utc_now())
    User.objects.filter(pk=people.user.pk).update(created_at=utc_now() - timedelta(days=400))
    domain_id = people.own.pk
    for state, done in ((State.RUNNING, 40), (State.DONE, 90), (State.FAILED, 3)):
        make_job(domain_id, state=state, done=done, error=f"Boom {HOSTILE}" if done == 3 else "")
    return visitor.log_in(people.root)


def _write_logs() -> None:
    BOOK.open(logs.folder())
    for number in range(3):
        text = f"connected from 192.0.2.{number} {HOSTILE}"
        BOOK.note(LogKind.SMTP, text, session=77 + number, domains=("own.example",))
        BOOK.note(LogKind.SMTP, "disconnected", session=77 + number, domains=("own.example",))
    BOOK.flush()


PAGES = [
    ("", "dashboard"),
    ("services/", "services"),
    ("online-users/", "online"),
    ("online-users/?q=nobody", "online-none"),
    ("connections/", "connections"),
    ("connections/by-address/", "parties"),
    ("blocks/", "blocks"),
    ("blocks/new/", "block-new"),
    ("abuse-rules/", "rules"),
    ("abuse-rules/new/", "rule-new"),
    ("blacklist/", "blacklist"),
    ("blacklist/new/?network=192.0.2.1&services=smtp", "blacklist-new"),
    ("whitelist/", "whitelist"),
    ("whitelist/import/", "whitelist-import"),
    ("logs/", "logs"),
    ("logs/?search=2.1&has_related=on", "logs-related"),
    ("logs/?type=spam", "logs-none"),
    ("logs/?type=nonsense", "logs-error"),
    ("transcripts/", "transcripts"),
    ("transcripts/new/", "transcript-new"),
    ("inactive-users/?show=90d", "inactive"),
    ("inactive-users/", "inactive-some"),
    ("jobs/", "jobs"),
    ("single-destinations/", "single-destinations"),
]


@pytest.mark.parametrize(("path", "name"), PAGES)
def test_pages_of_the_operator(root: Visitor, path: str, name: str) -> None:
    root.inspect(f"/panel/{path}", name)


def test_pages_of_one_transcript_and_of_one_job(root: Visitor) -> None:
    root.inspect(f"/panel/transcripts/{Transcript.objects.get().pk}/", "transcript")
    for job in Job.objects.all():
        root.inspect(f"/panel/jobs/{job.pk}/", f"job-{job.state}")


@pytest.mark.spec("M-020")
def test_a_domain_administrator_sees_who_is_online_in_the_own_domain(
    root: Visitor, people: World
) -> None:
    root.log_in(people.admin)
    root.inspect("/panel/online-users/", "online-admin")


@pytest.mark.spec("M-002")
def test_checked_services_are_stopped_and_started_again_by_undo(root: Visitor) -> None:
    Connection.objects.all().delete()
    page = root.go("/panel/services/")
    page.get_by_label("Select SMTP").check()
    page.get_by_label("Select POP", exact=True).check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    # Nobody follows in this test: the processes' reports are taken away first.
    ServiceReport.objects.all().delete()
    page.locator("#bulk").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped SMTP, POP.")).to_be_visible()
    assert ServiceState.objects.filter(is_wanted=False).count() == 2
    expect(page.get_by_role("link", name="Stopped: SMTP, POP")).to_have_count(0)
    root.check_accessibility()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("did not follow").first).to_be_visible()
    assert not ServiceState.objects.filter(is_wanted=False).exists()
    root.check_quiet()


def test_the_basics_work_without_javascript(root: Visitor) -> None:
    context = root.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(root.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{root.address}/panel/connections/?show=smtp")
    page.get_by_role("link", name="Blacklist 192.0.2.1").click()
    assert page.get_by_label("Address or network").input_value() == "192.0.2.1"
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Added 192.0.2.1 to the blacklist.")).to_be_visible()
    page.goto(f"{root.address}/panel/blocks/")
    page.get_by_label("Select the block of 203.0.113.66").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    assert not Block.objects.filter(network="203.0.113.66").exists()
    context.close()
