"""The page that renames a domain: rehearsed first, then a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from domains.models import Domain
from jobs import running
from tests.browser import Visitor
from tests.people import World, make_world

LogIn = Callable[[User], Client]
URL = "/panel/domain/own.example/rename/"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Any) -> World:
    settings.MAILHOST_DATA = tmp_path
    return make_world()


@pytest.mark.django_db
@pytest.mark.spec("D-110", "D-111", "D-112", "D-114", "D-115", "D-116")
def test_the_page_asks_for_the_new_name_and_says_what_to_do_before(
    world: World, log_in: LogIn
) -> None:
    text = log_in(world.reseller).get(URL).content.decode()
    assert 'id="old-name" value="own.example" readonly' in text
    assert 'name="keeps_old"' in text and "checked" in text
    assert "/panel/messaging/email/?domain=own.example" in text
    assert "no other program, such as a backup or a shell, may have files in it" in text
    assert "reload the new domain, and delete the old one" in text
    mail = log_in(world.reseller).get("/panel/messaging/email/?domain=own.example")
    assert 'value="own.example"' in mail.content.decode()
    edit = log_in(world.reseller).get("/panel/domain/own.example/").content.decode()
    assert f'<a href="{URL}">' in edit


@pytest.mark.django_db
def test_conflicts_stand_instead_of_the_button(world: World, log_in: LogIn) -> None:
    client = log_in(world.reseller)
    text = client.post(URL, {"name": "other.example"}).content.decode()
    assert "other.example is a domain or a domain alias already." in text
    assert "Rename now" not in text
    refused = client.post(URL, {"name": "other.example", "run": "1"}).content.decode()
    assert "other.example is a domain or a domain alias already." in refused
    bad = client.post(URL, {"name": "own.example"}).content.decode()
    assert "It is the name of the domain already." in bad


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-014", "D-113")
def test_in_the_browser_a_domain_is_rehearsed_and_renamed(world: World, visitor: Visitor) -> None:
    visitor.log_in(world.reseller)
    page = visitor.go(URL)
    page.get_by_label("New domain name").fill("new.example")
    page.get_by_role("button", name="Rehearse").click()
    page.get_by_text("own.example would become new.example").wait_for()
    visitor.check_accessibility()
    visitor.check_fits()
    visitor.picture("rename-rehearsed")
    page.get_by_role("button", name="Rename now").click()
    page.get_by_role("heading", name="Rename a domain").wait_for()
    assert Domain.objects.get(pk=world.own.pk).name == "own.example"
    running.run_waiting()
    assert Domain.objects.get(pk=world.own.pk).name == "new.example"
    # Who comes back by the old address is led to the new one.
    visitor.go(URL)
    page.get_by_text("the domain is called new.example").wait_for()
    visitor.inspect("/panel/domain/new.example/rename/", "rename")
    visitor.inspect("/panel/domain/new.example/reload/", "reload")
    page.get_by_role("button", name="Reload now").click()
    page.get_by_role("heading", name="Reload a domain").wait_for()
    running.run_waiting()
    page.get_by_text('"users_added": 0').wait_for()
    visitor.check_quiet()
