"""Writing to many users in the panel: form, summary, progress, and the reminder that pops up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from accounts.models import User
from clock.moments import utc_now
from jobs import running
from messaging import services
from messaging.models import MassMail, Reminder, ReminderOfUser, State
from tests.browser import Visitor
from tests.panel.test_domain_pages import HOSTILE
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
EMAIL, REMINDER = "/panel/messaging/email/", "/panel/messaging/reminder/"
MAIL = {
    "audience": "domain", "domain": "own.example", "author_name": "Sysadmin",
    "subject": "News", "text": "Dear {name}",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.MAILHOST_DATA = tmp_path


@pytest.mark.spec("B-001", "B-002", "B-012")
def test_a_summary_comes_before_anything_is_sent(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    assert "System Administrator" in client.get(EMAIL).content.decode()
    page = client.post(EMAIL, MAIL).content.decode()
    assert "Send email to 2 users?" in page and not MassMail.objects.exists()
    page = client.post(EMAIL, {**MAIL, "step": "edit"}).content.decode()
    assert "Dear {name}" in page and not MassMail.objects.exists()
    page = client.post(EMAIL, {**MAIL, "step": "send"}, follow=True).content.decode()
    row = MassMail.objects.get()
    assert (row.of, row.total, row.author_name) == ("own.example", 2, "Sysadmin")
    assert "is on its way to 2 users" in page and "Pause" in page
    state = f"{EMAIL}{row.pk}/"
    assert "Paused" in client.post(f"{state}pause/", follow=True).content.decode()
    assert "Resume" in client.get(state, headers={"HX-Target": "state"}).content.decode()
    page = client.post(f"{state}pause/", follow=True).content.decode()
    assert "It cannot be paused as it stands." in page
    client.post(f"{state}cancel/")
    assert MassMail.objects.get().state == State.CANCELLED
    assert log_in(world.reseller).get(state).status_code == 404


@pytest.mark.spec("B-008", "B-009")
def test_what_is_missing_or_unknown_is_said_at_its_field(world: World, log_in: LogIn) -> None:
    client = log_in(world.reseller)
    for changes, name, words in (
        ({"domain": ""}, "domain", "This choice needs it."),
        ({"domain": "other.example"}, "domain", "There is no such domain."),
        ({"audience": "user", "address": "x@own.example"}, "address", "There is no such user."),
        ({"subject": ""}, "subject", "required"),
        ({"text": " "}, "text", "required"),
        ({"reply_to": "nonsense", "step": "send"}, "reply_to", ""),
    ):
        form = client.post(EMAIL, MAIL | changes).context["form"]
        assert words in str(form.errors[name])
    assert not MassMail.objects.exists()


def test_markup_is_only_text_and_forms_from_elsewhere_are_refused(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    hostile = MAIL | {"subject": HOSTILE, "text": HOSTILE, "author_name": HOSTILE}
    assert HOSTILE not in client.post(EMAIL, hostile).content.decode()
    client.post(EMAIL, {**hostile, "step": "send"})
    MassMail.objects.update(notes=[[HOSTILE, HOSTILE]])
    for url in (EMAIL, f"{EMAIL}{MassMail.objects.get().pk}/"):
        assert HOSTILE not in client.get(url).content.decode()
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(world.root)
    assert forged.post(EMAIL, {**MAIL, "step": "send"}).status_code == 403
    assert MassMail.objects.count() == 1


@pytest.mark.spec("B-013")
@pytest.mark.spec("B-017", lacks="webmail (it pops up in the panel)")
def test_a_reminder_pops_up_on_every_page_until_it_is_answered(world: World, log_in: LogIn) -> None:
    form = {"audience": "user", "address": "alice@own.example", "subject": HOSTILE,
            "text": f"See https://own.example/news {HOSTILE}"}  # fmt: skip
    log_in(world.root).post(REMINDER, {**form, "step": "send"})
    row = Reminder.objects.get()
    ReminderOfUser.objects.create(reminder=row, account=world.user, show_at=utc_now())
    client = log_in(world.user)
    for url in ("/panel/", "/panel/help/", "/panel/reminders/"):
        page = client.get(url).content.decode()
        assert HOSTILE not in page and 'href="https://own.example/news"' in page
    assert "alertdialog" not in log_in(world.admin).get("/panel/").content.decode()
    number = ReminderOfUser.objects.get().pk
    log_in(world.admin).post(f"/panel/reminders/{number}/", {"answer": "dismiss"})
    assert services.unseen(world.user, now=utc_now())
    client.post(f"/panel/reminders/{number}/", {"answer": "later"})
    assert "alertdialog" not in client.get("/panel/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_pages_in_a_browser(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.root)
    visitor.inspect(EMAIL, "mass-email")
    visitor.inspect(REMINDER, "mass-reminder")
    page = visitor.go(REMINDER)
    expect(page.get_by_label("Domain", exact=True)).to_be_hidden()
    page.get_by_label("All users on a domain").check()
    page.get_by_label("Domain", exact=True).fill("own.example")
    page.get_by_label("Subject").fill("Maintenance tonight")
    page.get_by_label("Message", exact=True).fill("From 22:00 on.\nSee https://own.example/news")
    page.get_by_role("button", name="Send…").click()
    expect(page.get_by_text("Send reminder to 2 users?")).to_be_visible()
    visitor.check_accessibility()
    visitor.picture("mass-summary")
    page.get_by_role("button", name="Send now").click()
    expect(page.get_by_text("is on its way to 2 users")).to_be_visible()
    running.run_waiting()
    expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=10_000)
    visitor.inspect(f"{REMINDER}{Reminder.objects.get().pk}/", "mass-state")
    visitor.log_in(world.user)
    visitor.inspect("/panel/", "reminder-popup")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Maintenance tonight")).to_have_count(0)
    visitor.check_quiet()
