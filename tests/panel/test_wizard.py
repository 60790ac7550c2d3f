"""A new domain page by page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from domains.models import Domain
from events.models import AuditEntry
from tests.factories import PASSWORD
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
URL = "/panel/domains/new/step/{}/"
FIRST = {
    "options-name": "New.example", "options-username": "ada", "options-password": PASSWORD,
    "options-list_command_address": "listserv",
}  # fmt: skip


def shown(client: Client, number: int) -> dict[str, Any]:
    """What a browser would send of a page as it stands."""
    data: dict[str, Any] = {}
    for bound in client.get(URL.format(number)).context["form"]:
        value = bound.value()
        if value is not None and value is not False and value != "":
            data[bound.html_name] = value
    return data


def send(client: Client, number: int, go: str, **changes: Any) -> Any:
    data = {**shown(client, number), **changes, "go": go}
    kept = {name: value for name, value in data.items() if value is not None}
    return client.post(URL.format(number), kept)


@pytest.mark.spec("D-022", "D-023", "D-024", "D-025")
@pytest.mark.django_db(transaction=True)
def test_a_domain_is_opened_page_by_page_and_not_before_save(world: World, log_in: LogIn) -> None:
    # Rows go with a test that opens the domain, folders do not.
    shutil.rmtree(Path(settings.MAILHOST_DATA) / "domains" / "new.example", ignore_errors=True)
    client = log_in(world.reseller)
    assert send(client, 1, "next", **FIRST)["Location"] == URL.format(2)
    assert send(client, 2, "next", **{"technical-pop_port": "1110"}).status_code == 302
    assert send(client, 3, "next", **{"features-notes": None})["Location"] == URL.format(4)
    # Back keeps what was entered, even if it is not right yet.
    assert send(client, 4, "back", **{"limits-users": "many"})["Location"] == URL.format(3)
    assert "features-notes" not in shown(client, 3) and shown(client, 4)["limits-users"] == "many"
    assert send(client, 3, "back")["Location"] == URL.format(2)
    assert shown(client, 2)["technical-pop_port"] == "1110"
    assert shown(client, 1)["options-name"] == "New.example"
    page = send(client, 4, "next")
    assert "whole number" in page.content.decode()
    assert send(client, 4, "next", **{"limits-users": "3"}).status_code == 302
    assert not Domain.objects.filter(name="new.example").exists()
    assert not (Path(settings.MAILHOST_DATA) / "domains" / "new.example").exists()
    assert not AuditEntry.objects.filter(object_name="new.example").exists()
    page = send(client, 5, "save")
    assert page["Location"] == "/panel/domain/new.example/opened/"
    domain = Domain.objects.get(name="new.example")
    assert domain.ownership.reseller == world.reseller  # type: ignore[attr-defined]
    assert domain.domainlimits.users == 3  # type: ignore[attr-defined]
    assert domain.domaintechnical.pop_port == 1110  # type: ignore[attr-defined]
    assert not domain.domainfeatures.notes  # type: ignore[attr-defined]
    ada = domain.users.get()
    assert ada.local_part == "ada" and ada.is_primary_administrator
    assert "new-domain" not in client.session
    assert "Set up DNS" in client.get(page["Location"]).content.decode()


def test_each_page_is_checked_as_the_services_do(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for changes, said in (
        ({"options-name": "own.example"}, "is a domain or a domain alias already"),
        ({"options-name": "nodot"}, "is not a domain name"),
        ({"options-password": "short"}, "fewer than 10 characters"),
        ({"options-username": ""}, "This field is required."),
    ):
        page = send(client, 1, "next", **{**FIRST, **changes})
        assert page.status_code == 200 and said in page.content.decode()
    assert send(client, 1, "next", **FIRST).status_code == 302
    page = send(client, 2, "next", **{"technical-pop_port": "143"})
    assert "Port 143 is taken" in page.content.decode()
    assert not Domain.objects.filter(name="new.example").exists()


def test_nobody_jumps_ahead(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for number in (0, 2, 5, 99):
        assert client.get(URL.format(number))["Location"] == URL.format(1)
    assert client.post(URL.format(5), {"go": "save"})["Location"] == URL.format(1)


@pytest.mark.spec("D-024")
def test_the_password_is_neither_shown_again_nor_kept_in_the_clear(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    send(client, 1, "next", **FIRST)
    page = client.get(URL.format(1)).content.decode()
    assert PASSWORD not in page and "Kept from before" in page
    assert PASSWORD not in str(dict(client.session))
    assert send(client, 1, "next", **{"options-password": ""}).status_code == 302


def test_what_was_taken_meanwhile_is_told_at_save_on_its_page(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    send(client, 1, "next", **FIRST)
    for number in (2, 3, 4):
        send(client, number, "next")
    Domain.objects.filter(pk=world.own.pk).update(name="x.example")
    world.own.hosted_names.filter(is_alias=False).update(name="new.example")
    page = send(client, 5, "save")
    assert page.context["number"] == 1
    assert "is a domain or a domain alias already" in page.content.decode()


def test_cancelling_forgets_everything(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    send(client, 1, "next", **FIRST)
    client.post(URL.format(1), {"go": "cancel"})
    assert "options-name" not in shown(client, 1)
