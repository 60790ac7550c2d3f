"""The page of the server's settings: what it changes, refuses and remembers (X-033)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import expect

from accounts.models import User
from accounts.settings import LOGIN
from domains import singlerow
from events.models import AuditEntry
from operations.logs import LOGS
from operations.services import LISTENERS
from spool.configuration import SPOOL
from tests.browser import Visitor
from tests.panel.test_domain_pages import HOSTILE, filled
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
PAGE = "/panel/settings/"


@pytest.mark.spec("X-033")
def test_one_save_changes_settings_of_several_rooms_and_the_history_says_so(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    data = filled(
        client, PAGE, spool__patience_days="7", spool__retry_minutes="5, 10,20",
        login__minimum_password_length="12", listeners__hide_submitter_address="on",
        logs__detailed=["imap"],
    )  # fmt: skip
    page = client.post(PAGE, data, follow=True).content.decode()
    assert "Saved 5 settings." in page
    assert (SPOOL.load().patience_days, SPOOL.load().retry_minutes) == (7, [5, 10, 20])
    assert (LOGIN.load().minimum_password_length, LOGS.load().detailed) == (12, ["imap"])
    assert LISTENERS.load().hide_submitter_address
    entry = AuditEntry.objects.get(verb="changed login settings")
    assert (entry.actor, entry.client_address) == ("root", "127.0.0.1")
    assert "15, 30, 60, 90, 120, 240, 480, 720</del> → <ins" in page and "5, 10, 20</ins>" in page


def test_what_one_room_refuses_changes_nothing_in_another(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    data = filled(client, PAGE, spool__patience_days="99", login__minimum_password_length="12")
    page = client.post(PAGE, data)
    assert page.context["tabbed"].active == "spool"
    assert "Must be 1 to 14." in page.content.decode()
    assert LOGIN.load().minimum_password_length == 10
    data = filled(client, PAGE, spool__retry_minutes="soon")
    assert "Enter whole numbers" in client.post(PAGE, data).content.decode()


def test_who_saves_second_is_told_and_overwrites_nothing(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    first = filled(client, PAGE, spool__patience_days="7")
    second = filled(client, PAGE, login__minimum_password_length="12")
    assert client.post(PAGE, first).status_code == 302
    assert "Somebody else saved this page" in client.post(PAGE, second).content.decode()
    assert LOGIN.load().minimum_password_length == 10 and SPOOL.load().patience_days == 7
    assert "Somebody else" in client.post(PAGE, {**second, "version": "x"}).content.decode()


def test_every_setting_of_the_server_stands_on_the_page_with_help(
    world: World, log_in: LogIn
) -> None:
    tabbed = log_in(world.root).get(PAGE).context["tabbed"]
    assert {tab.key for tab in tabbed} == set(singlerow.ALL)
    without = [f"{tab.key}.{name}" for tab in tabbed for name in tab.form.fields
               if not tab.form.fields[name].help_text]  # fmt: skip
    assert without == []


def test_markup_in_a_setting_is_only_text_and_forms_from_elsewhere_are_refused(
    world: World, log_in: LogIn
) -> None:
    singlerow.ALL["spool"].change({"patience_days": 3}, by=None)
    AuditEntry.objects.update(actor=HOSTILE, changes={"postmaster": [HOSTILE, HOSTILE]})
    assert HOSTILE not in log_in(world.root).get(PAGE).content.decode()
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.root)
    assert client.post(PAGE, {}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_the_page_in_a_browser(visitor: Visitor) -> None:
    visitor.log_in(make_world().root)
    visitor.inspect(PAGE, "settings-none")
    page = visitor.go(PAGE)
    page.get_by_role("tab", name="Spool").click()
    page.get_by_label("Patience").first.fill("6")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved 1 setting.")).to_be_visible()
    visitor.picture("settings-saved")
    page.get_by_role("tab", name="Logs").click()
    visitor.picture("settings-logs")
    visitor.check_accessibility()
    visitor.check_quiet()
