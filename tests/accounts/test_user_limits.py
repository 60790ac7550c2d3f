"""How many users a domain may have: its limit, and its reseller's plan."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts import plans, provisioning, services
from accounts.errors import FeatureOff, StillOwner
from accounts.models import Role, User
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from domains import services as domain_services
from domains.errors import LimitReached
from domains.models import Domain
from tests.factories import make_alias, make_domain, make_user, verifiers
from tests.races import Pause, beside, run_together


def user(domain: Domain, name: str) -> User:
    return User.objects.get(domain=domain, local_part=name)


@pytest.mark.django_db
@pytest.mark.spec("D-085", "D-080")
def test_the_users_limit_counts_every_mailbox() -> None:
    domain = make_domain(None, "alice", limits={"users": 3})
    services.change_user(user=user(domain, "alice"), values={"status": "disabled"}, by=None)
    make_alias(domain, "sales", "alice")
    make_user(domain, "bob")
    with pytest.raises(LimitReached) as error:
        make_user(domain, "carol")
    assert (error.value.limit, error.value.allowed, error.value.used) == ("users", 3, 3)
    domain_services.change_tab(domain=domain, tab="limits", values={"users": 0}, by=None)
    assert make_user(domain, "carol"), "0 means no limit"


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-085")
def test_parallel_requests_cannot_exceed_the_users_limit() -> None:
    domain = make_domain(limits={"users": 3})
    errors = run_together(
        *[lambda name=name: make_user(domain, name) for name in ("a", "b", "c", "d", "e")]
    )
    assert [type(error) for error in errors] == [LimitReached] * 3
    assert User.objects.filter(domain=domain).count() == 3


@pytest.mark.django_db
@pytest.mark.spec("D-092")
def test_a_limit_below_the_present_use_only_stops_growth() -> None:
    domain = make_domain(None, "alice", "bob")
    domain_services.change_tab(domain=domain, tab="limits", values={"users": 1}, by=None)
    assert User.objects.filter(domain=domain).count() == 3
    with pytest.raises(LimitReached):
        make_user(domain, "carol")
    services.change_user(user=user(domain, "alice"), values={"full_name": "A"}, by=None)
    services.delete_user(user=user(domain, "bob"), by=None)


@pytest.mark.django_db
@pytest.mark.spec("D-081", "U-004")
@pytest.mark.spec("X-011")
def test_the_caps_of_a_resellers_plan_win_over_the_limits_of_his_domains() -> None:
    plan = {"domains": 2, "users": 4, "users_per_domain": 3, "withheld_features": ["syncml"]}
    plans.add(name="small", values=plan, by=None)
    reseller = services.add_person(username="rob", role=Role.RESELLER, by=None)
    plans.put_on(username="rob", plan_name="small", by=None)

    def open_domain(name: str) -> Domain:
        administrator = NewUser(username="admin")
        new = NewDomain(name=name, administrator=administrator, reseller=reseller)
        return provisioning.open_domain(new=new, by=reseller)

    one = open_domain("one.example")
    assert not one.domainfeatures.syncml
    make_user(one, "a")
    make_user(one, "b")
    with pytest.raises(LimitReached) as error:
        make_user(one, "c")
    assert error.value.allowed == 3
    two = open_domain("two.example")
    with pytest.raises(LimitReached) as error:
        make_user(two, "a")
    assert error.value.allowed == 4
    with pytest.raises(LimitReached) as error:
        open_domain("three.example")
    assert error.value.limit == "domains"
    with pytest.raises(StillOwner):
        services.delete_user(user=reseller, by=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-081")
def test_users_added_while_their_domain_changes_hands_need_room_in_the_new_plan() -> None:
    domain = make_domain(None, "alice")
    for name in ("rob", "ruth"):
        services.add_person(username=name, role=Role.RESELLER, by=None, verifiers=verifiers())
    rob, ruth = (User.objects.get(local_part=name) for name in ("rob", "ruth"))
    provisioning.hand_over(domain=domain, reseller=rob, by=None)
    values = {"users": 2, "withheld_features": ["catch_alls"]}
    plans.add(name="small", values=values, by=None)
    plans.put_on(username="ruth", plan_name="small", by=None)

    def hand_over(reseller: User) -> Callable[[Pause], None]:
        def act(pause: Pause) -> None:
            provisioning.hand_over(domain=domain, reseller=reseller, by=None)
            pause()

        return act

    with beside(hand_over(ruth)), pytest.raises(LimitReached):
        services.add_user(domain=domain, username="carol", by=None)
    with beside(hand_over(rob)):
        services.add_user(domain=domain, username="carol", by=None)
    services.delete_user(user=user(domain, "carol"), by=None)
    with beside(hand_over(ruth)), pytest.raises(FeatureOff):
        provisioning.change_tab(domain=domain, tab="features", values={"catch_alls": True}, by=None)
