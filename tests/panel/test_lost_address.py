"""What the panel says of a domain whose IP address is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from clock.moments import utc_now
from domains import services
from domains.models import Domain
from operations import lostaddresses
from tests.factories import make_domain
from tests.people import World

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
LOST = "192.0.2.1"


def matters(client: Client) -> list[str]:
    cache.clear()
    return [one.text for one in client.get("/panel/").context["attention"].matters if one.is_urgent]


@pytest.mark.spec("D-033")
def test_all_whom_it_concerns_are_told_until_the_address_is_back(
    world: World, log_in: LogIn
) -> None:
    services.change_options(domain=world.own, options={"listen_ip": LOST}, by=None)
    for who in (world.root, world.reseller, world.admin):
        assert matters(log_in(who)) == []
    lostaddresses.look(now=utc_now())
    told = f"{LOST} is gone: own.example listens on all addresses until it is back."
    assert matters(log_in(world.reseller)) == matters(log_in(world.admin)) == [told]
    of_all = f"The address {LOST} is gone: domains that listen on it listen on all instead."
    assert matters(log_in(world.root)) == [of_all]
    assert matters(log_in(world.other_reseller)) == matters(log_in(world.user)) == []
    services.change_options(domain=world.own, options={"listen_ip": "127.0.0.9"}, by=None)
    lostaddresses.look(now=utc_now())
    for who in (world.root, world.reseller, world.admin):
        assert matters(log_in(who)) == []


@pytest.mark.spec("D-033")
def test_the_list_and_the_pages_of_the_domain_show_it(world: World, log_in: LogIn) -> None:
    services.change_options(domain=world.own, options={"listen_ip": LOST}, by=None)
    services.change_options(
        domain=make_domain("well.example"), options={"listen_ip": "127.0.0.9"}, by=None
    )
    lostaddresses.look(now=utc_now())
    client = log_in(world.root)
    page = client.get("/panel/domains/").content.decode()
    assert page.count(">Gone</span>") == 1
    told = f"The address {LOST} has not been on the server since"
    own, well = (f"/panel/domain/{name}.example/" for name in ("own", "well"))
    page = client.get(own).content.decode()
    assert told in page and f"{LOST} (not on this machine)" in page
    assert told in log_in(world.admin).get(f"{own}aliases/").content.decode()
    page = client.get(well).content.decode()
    assert "has not been on the server" not in page and "not on this machine" not in page
    Domain.objects.filter(pk=world.own.pk).update(is_disabled=True)
    assert ">Gone</span>" not in client.get("/panel/domains/").content.decode()
