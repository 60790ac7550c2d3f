"""The page that moves the folder of a domain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from domains.models import Domain
from jobs import running
from tests.browser import Visitor
from tests.people import World, make_world

LogIn = Callable[[User], Client]
URL = "/panel/domain/own.example/folder/"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.MAILHOST_DATA = tmp_path / "data"
    settings.MAILHOST_DOMAIN_ROOTS = [str(tmp_path / "disk")]
    return make_world()


@pytest.mark.django_db
def test_the_technical_tab_leads_to_it_and_refusals_stand_at_the_field(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    assert (
        f'href="{URL}">Move the folder</a>'
        in client.get("/panel/domain/own.example/").content.decode()
    )
    assert URL not in log_in(world.reseller).get("/panel/domain/own.example/").content.decode()
    refused = client.post(URL, {"folder_path": "/etc/mail"}).content.decode()
    assert "This folder cannot be used: it is outside of the allowed directories." in refused
    same = client.post(URL, {"folder_path": ""}).content.decode()
    assert "It is the folder of the domain already." in same


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-034")
def test_in_the_browser_the_folder_is_moved_and_moved_back(
    world: World, visitor: Visitor, tmp_path: Path
) -> None:
    visitor.log_in(world.root)
    page = visitor.go(URL)
    page.get_by_label("New folder").fill(str(tmp_path / "disk" / "own"))
    page.get_by_role("button", name="Move now").click()
    page.get_by_role("heading", name="Move the folder of a domain").wait_for()
    visitor.inspect(URL, "folder-moving")
    page.get_by_role("heading", name="A move is running").wait_for()
    running.run_waiting()
    page.get_by_role("heading", name="A move is running").wait_for(state="detached")
    assert Domain.objects.get(pk=world.own.pk).area.directory == tmp_path / "disk" / "own"
    visitor.check_quiet()
