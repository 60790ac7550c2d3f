"""What the whole server may have: its caps stand above plans and limits (X-011)."""

from __future__ import annotations

import pytest

from accounts import caps, plans, provisioning, recyclebin, services
from accounts.errors import FeatureOff
from accounts.models import Recycled, Role, User
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from accounts.settings import CAPS
from domains import switches
from domains.errors import LimitReached, ServerFull, ValuesRefused
from domains.models import Domain
from tests import memories
from tests.factories import make_domain, make_user
from tests.races import Pause, beside

X_011 = pytest.mark.spec("X-011")


def set_caps(**values: object) -> None:
    CAPS.change(values, by=None)
    memories.forget_everything()


def open_domain(name: str, reseller: User | None = None) -> Domain:
    new = NewDomain(name=name, administrator=NewUser(username="admin"), reseller=reseller)
    return provisioning.open_domain(new=new, by=None)


def make_reseller(name: str = "rob") -> User:
    return services.add_person(username=name, role=Role.RESELLER, by=None)


@pytest.mark.django_db
@X_011
def test_domains_and_users_stop_at_the_caps_of_the_server_whoever_they_belong_to() -> None:
    reseller = make_reseller()
    one = open_domain("one.example")
    set_caps(domains=2, users=4)
    open_domain("two.example", reseller)
    for owner in (None, reseller):
        with pytest.raises(ServerFull) as error:
            open_domain("three.example", owner)
        assert error.value.limit == "domains"
    provisioning.hand_over(domain=one, reseller=reseller, by=None)  # is no growth
    make_user(one, "alice")
    make_user(one, "bob")
    with pytest.raises(ServerFull) as error:
        make_user(one, "carol")
    assert error.value.limit == "users"
    set_caps(domains=1, users=1)  # stop growth only
    services.change_user(
        user=User.objects.get(local_part="bob"), values={"language": "de"}, by=None
    )
    services.delete_user(user=User.objects.get(local_part="bob"), by=None)
    set_caps(domains=0, users=0)
    open_domain("three.example")


@pytest.mark.django_db
@X_011
def test_of_several_full_ones_the_nearest_is_named() -> None:
    plans.add(name="small", values={"users": 1}, by=None)
    plans.put_on(username=make_reseller().local_part, plan_name="small", by=None)
    one = open_domain("one.example", User.objects.get(local_part="rob"))
    set_caps(users=1)
    with pytest.raises(LimitReached):
        make_user(one, "alice")


@pytest.mark.django_db
@X_011
def test_what_lies_in_the_bin_is_not_counted_and_comes_back_only_where_there_is_room() -> None:
    one, _ = open_domain("one.example"), open_domain("two.example")
    set_caps(domains=2)
    provisioning.close_domain(domain=one, by=None)
    three = open_domain("three.example")
    item = Recycled.objects.get()
    with pytest.raises(ServerFull):
        recyclebin.restore(item=item, by=None)
    provisioning.close_domain(domain=three, by=None)
    set_caps(domains=2, users=1)
    with pytest.raises(ServerFull):
        recyclebin.restore(item=item, by=None)
    set_caps(users=2)
    recyclebin.restore(item=item, by=None)
    assert Domain.objects.filter(name="one.example").exists()


@pytest.mark.django_db(transaction=True)
@X_011
def test_of_two_who_grow_at_the_same_moment_one_finds_the_server_full() -> None:
    one, two = make_domain("one.example"), make_domain("two.example")
    set_caps(users=3)

    def add_beside(pause: Pause) -> None:
        services.add_user(domain=one, username="alice", by=None)
        pause()

    with beside(add_beside), pytest.raises(ServerFull):
        services.add_user(domain=two, username="alice", by=None)
    assert caps.mailbox_users() == 3


@pytest.mark.django_db
@pytest.mark.spec("D-060", lacks="webmail, DAV and SyncML behind the same gate")
@X_011
def test_a_withheld_feature_is_off_as_long_as_it_is_withheld_and_keeps_its_switch() -> None:
    reseller, other = make_reseller(), make_reseller("ruth")
    one = open_domain("one.example", reseller)
    plans.add(name="bare", values={"withheld_features": ["catch_alls"]}, by=None)
    plans.add(name="full", by=None)

    def is_on() -> bool:
        memories.forget_everything()
        return switches.is_on(one.pk, "catch_alls")

    assert is_on()
    plans.put_on(username="rob", plan_name="bare", by=None)
    assert not is_on() and switches.withheld(one.pk) == {"catch_alls"}
    provisioning.hand_over(domain=one, reseller=other, by=None)
    assert is_on()
    provisioning.hand_over(domain=one, reseller=reseller, by=None)
    assert not is_on()
    plans.put_on(username="rob", plan_name="full", by=None)
    assert is_on()
    set_caps(withheld_features=["catch_alls"])
    assert not is_on()
    with pytest.raises(FeatureOff):
        provisioning.change_tab(domain=one, tab="features", values={"catch_alls": True}, by=None)
    set_caps(withheld_features=[])
    assert is_on()


@pytest.mark.django_db
def test_only_features_that_exist_are_withheld() -> None:
    with pytest.raises(ValuesRefused, match="there is no feature teleport"):
        CAPS.change({"withheld_features": ["teleport"]}, by=None)
