"""Where a limit is reached, the button that adds is disabled and says why (D-003)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import plans
from accounts.models import User
from accounts.settings import CAPS
from domains.models import DomainLimits
from tests.browser import Visitor
from tests.people import World

LogIn = Callable[[User], Client]
OWN = "/panel/domain/own.example"
DISABLED = re.compile(r"<button[^>]* disabled[^>]*aria-describedby=\"list-full\"")


def text_of(response: Any) -> str:
    content: bytes = response.content
    return content.decode()


def is_closed(text: str, reason: str) -> bool:
    """The button is disabled and the reason stands on the page."""
    return bool(DISABLED.search(text)) and f"{reason} To add more, delete some" in text


def put_rob_on(**caps: int) -> None:
    plans.add(name="small", values=caps, by=None)
    plans.put_on(username="rob", plan_name="small", by=None)


@pytest.mark.spec("D-003")
@pytest.mark.spec("X-011")
def test_the_add_button_of_a_full_plan_is_disabled_with_the_reason(
    world: World, log_in: LogIn
) -> None:
    put_rob_on(domains=1)
    reason = "The limit of 1 domain is reached (1 in use)."
    rob = log_in(world.reseller)
    for page in ("/panel/domains/", "/panel/"):
        text = text_of(rob.get(page))
        assert is_closed(text, reason)
        assert "Add domain" in text and 'btn btn-primary" href="/panel/domains/new/"' not in text
    assert reason in text_of(rob.get("/panel/domains/new/"))
    for other in (world.other_reseller, world.root):
        text = text_of(log_in(other).get("/panel/domains/"))
        assert 'href="/panel/domains/new/"' in text and not DISABLED.search(text)


@pytest.mark.spec("D-003")
@pytest.mark.spec("X-011")
def test_a_full_server_closes_the_same_buttons_for_everybody(world: World, log_in: LogIn) -> None:
    CAPS.change({"domains": 2}, by=None)
    reason = "This server has no room for more domains."
    for viewer in (world.reseller, world.root):
        client = log_in(viewer)
        assert is_closed(text_of(client.get("/panel/domains/")), reason)
        assert reason in text_of(client.get("/panel/domains/new/"))
    CAPS.change({"domains": 0, "users": 4}, by=None)
    assert is_closed(
        text_of(log_in(world.admin).get(f"{OWN}/users/")), "This server has no room for more users."
    )


@pytest.mark.spec("D-003", "D-085", "D-086")
def test_users_and_aliases_stop_at_the_limits_of_their_domain(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    for path, limit, used, what in (
        ("users/", "users", 2, "users"),
        ("aliases/", "user_aliases", 1, "user alias"),
        ("domain-aliases/", "domain_aliases", 1, "domain alias"),
    ):
        DomainLimits.objects.filter(domain=world.own).update(**{limit: used + 1})
        assert not DISABLED.search(text_of(client.get(f"{OWN}/{path}")))
        DomainLimits.objects.filter(domain=world.own).update(**{limit: used})
        text = text_of(client.get(f"{OWN}/{path}"))
        assert is_closed(text, f"The limit of {used} {what} is reached ({used} in use).")
        assert f'href="{OWN}/limits/"' in text
    for path in ("users/new/", "aliases/new/"):
        assert "is reached" in text_of(client.get(f"{OWN}/{path}"))


@pytest.mark.spec("D-003")
@pytest.mark.spec("X-011")
def test_a_plan_over_all_domains_closes_each_of_them(world: World, log_in: LogIn) -> None:
    put_rob_on(users=2)
    reason = "The limit of 2 users is reached (2 in use)."
    for viewer, page in (
        (world.reseller, f"{OWN}/users/"), (world.admin, f"{OWN}/users/"),
        (world.reseller, "/panel/domains/"),  # a domain begins with an administrator
    ):  # fmt: skip
        assert is_closed(text_of(log_in(viewer).get(page)), reason)


@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_full_domain_is_fit_to_be_seen(world: World, visitor: Visitor) -> None:
    DomainLimits.objects.filter(domain=world.own).update(users=2)
    User.objects.filter(pk=world.user.pk).update(
        forward_to=["somebody.with.a.long.name@a.domain.far.away.example", "bob@far.example"]
    )
    visitor.log_in(world.admin).inspect(f"{OWN}/users/", "full-domain")
