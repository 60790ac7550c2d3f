"""Who is left out of the Global Address List, and by whose word (U-017, D-057)."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import addresslist, services
from accounts.errors import FeatureOff
from accounts.models import User
from domains import services as domain_services
from tests.people import World, make_world

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.spec("U-017", lacks="the Global Address List in webmail"),
    pytest.mark.spec("D-057", lacks="the Global Address List in webmail"),
]

ACCOUNT = "/panel/account/"
WISH = {"opts_out_of_address_list": True}


@pytest.fixture
def world() -> World:
    return make_world()


def let_users_choose(world: World, *, is_on: bool) -> None:
    values = {"allow_ldap_opt_out": is_on}
    domain_services.change_tab(domain=world.own, tab="technical", values=values, by=None)


def alice(world: World) -> User:
    return User.objects.get(pk=world.user.pk)


def is_hidden(world: World) -> bool:
    """By either way to ask."""
    user = alice(world)
    listed = addresslist.listed(User.objects.filter(domain=world.own))
    assert user.domain is not None
    assert addresslist.is_hidden(user) is (user not in listed)
    assert addresslist.is_hidden(world.admin) is False and world.admin in listed
    return addresslist.is_hidden(user)


def test_a_users_own_wish_counts_as_long_as_the_domain_lets_him_choose(world: World) -> None:
    with pytest.raises(FeatureOff):
        services.change_own(user=world.user, values=WISH)
    assert not is_hidden(world)
    let_users_choose(world, is_on=True)
    services.change_own(user=alice(world), values=WISH)
    assert is_hidden(world)
    let_users_choose(world, is_on=False)
    assert not is_hidden(world) and alice(world).opts_out_of_address_list
    services.change_own(user=alice(world), values={"full_name": "Alice"})
    let_users_choose(world, is_on=True)
    assert is_hidden(world)


def test_an_administrators_word_holds_whatever_the_user_wishes(world: World) -> None:
    services.change_user(user=world.user, values={"hide_from_address_list": True}, by=world.admin)
    assert is_hidden(world)
    let_users_choose(world, is_on=True)
    services.change_own(user=alice(world), values={"opts_out_of_address_list": False})
    assert is_hidden(world)


def test_people_without_a_mailbox_are_not_in_question(world: World) -> None:
    assert not addresslist.may_choose(world.reseller)
    with pytest.raises(FeatureOff):
        services.change_own(user=world.reseller, values=WISH)


def test_the_own_page_has_the_switch_only_where_the_user_may_choose(world: World) -> None:
    client = Client()
    client.force_login(world.user)
    data = {"time_zone": "UTC", "language": "en", "opts_out_of_address_list": "on"}
    assert "opts_out_of_address_list" not in client.get(ACCOUNT).context["form"].fields
    assert client.post(ACCOUNT, data).status_code == 302
    assert not alice(world).opts_out_of_address_list
    let_users_choose(world, is_on=True)
    assert "Leave me out of the address list" in client.get(ACCOUNT).content.decode()
    assert client.post(ACCOUNT, data).status_code == 302
    assert is_hidden(world)
    del data["opts_out_of_address_list"]
    client.post(ACCOUNT, data)
    assert not is_hidden(world)
