"""Who sees what, and who may do what."""

from __future__ import annotations

import pytest

from accounts import administrators, permissions, plans, provisioning, selectors, services
from accounts.errors import AliasUnknown, FeatureOff, NotPermitted, UserUnknown
from accounts.models import Role, User
from accounts.permissions import Verb
from domains import services as domain_services
from domains.errors import DomainUnknown
from domains.models import Domain
from tests.factories import make_alias, make_domain

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, User]:
    """`rob` owns one.example, with alice and its administrator; two.example is the provider's."""
    one, two = make_domain("one.example", "alice"), make_domain("two.example", "bob")
    make_alias(one, "sales", "alice")
    make_alias(two, "office", "bob")
    rob = services.add_person(username="rob", role=Role.RESELLER, by=None)
    provisioning.hand_over(domain=one, reseller=rob, by=None)
    root, _ = services.create_system_administrator("root")
    find = User.objects.select_related("domain").get
    return {
        "rob": rob,
        "root": root,
        "admin": find(domain=one, local_part="admin"),
        "alice": find(local_part="alice"),
        "other": find(domain=two, local_part="admin"),
    }


@pytest.mark.spec("U-001", "U-004")
@pytest.mark.spec("U-002", lacks="mailing lists")
@pytest.mark.spec("U-003", lacks="webmail")
@pytest.mark.parametrize(
    ("who", "domains", "users", "aliases"),
    [
        ("root", {"one.example", "two.example"}, 4, 2),
        ("rob", {"one.example"}, 2, 1),
        ("admin", {"one.example"}, 2, 1),
        ("other", {"two.example"}, 2, 1),
        ("alice", set(), 1, 0),
    ],
)
def test_everybody_sees_his_own_only(
    people: dict[str, User], who: str, domains: set[str], users: int, aliases: int
) -> None:
    actor = people[who]
    assert {domain.name for domain in selectors.domains_for(actor)} == domains
    assert selectors.users_for(actor).count() == users
    assert selectors.aliases_for(actor).count() == aliases


@pytest.mark.spec("U-004")
def test_what_is_out_of_sight_does_not_exist(people: dict[str, User]) -> None:
    for actor in (people["rob"], people["admin"], people["alice"]):
        with pytest.raises(DomainUnknown):
            selectors.domain_for(actor, "two.example")
        with pytest.raises(UserUnknown):
            selectors.user_for(actor, "bob@two.example")
        with pytest.raises(AliasUnknown):
            selectors.alias_for(actor, "office@two.example")
    assert selectors.user_for(people["rob"], "ALICE@one.example") == people["alice"]
    assert selectors.alias_for(people["admin"], "sales@one.example").local_part == "sales"


@pytest.mark.spec("U-002", lacks="mailing lists")
@pytest.mark.parametrize(
    "verb",
    [
        Verb.CHANGE_LIMITS,
        Verb.CHANGE_FEATURES,
        Verb.CHANGE_PRIORITY,
        Verb.CHANGE_THROTTLING,
        Verb.CHANGE_TECHNICAL,
        Verb.CHANGE_USER_THROTTLING,
        Verb.CHANGE_OPTIONS,
        Verb.CLOSE_DOMAIN,
    ],
)
def test_an_administrator_never_raises_the_bounds_of_his_domain(
    people: dict[str, User], verb: Verb
) -> None:
    with pytest.raises(NotPermitted):
        selectors.domain_for(people["admin"], "one.example", verb=verb)
    assert selectors.domain_for(people["rob"], "one.example", verb=verb)
    assert selectors.domain_for(people["root"], "one.example", verb=verb)


@pytest.mark.spec("U-002", lacks="mailing lists")
@pytest.mark.spec("U-003", lacks="webmail")
def test_users_are_for_administrators_and_the_server_for_the_provider(
    people: dict[str, User],
) -> None:
    one = Domain.objects.get(name="one.example")
    assert permissions.may(people["admin"], Verb.CHANGE_USERS, one)
    assert not permissions.may(people["alice"], Verb.CHANGE_USERS, one)
    assert not permissions.may(people["other"], Verb.CHANGE_USERS, one)
    assert permissions.may(people["rob"], Verb.OPEN_DOMAIN)
    assert not permissions.may(people["admin"], Verb.OPEN_DOMAIN)
    assert permissions.may(people["root"], Verb.MANAGE_SERVER)
    assert not permissions.may(people["rob"], Verb.MANAGE_SERVER)


@pytest.mark.spec("D-062", "D-065", "D-066", "D-016")
@pytest.mark.spec("D-060", lacks="webmail, DAV and SyncML behind the same gate")
@pytest.mark.parametrize(
    ("feature", "verb"),
    [
        ("catch_alls", Verb.CHANGE_CATCH_ALL),
        ("domain_aliases", Verb.CHANGE_DOMAIN_ALIASES),
        ("service_access_control", Verb.CHANGE_SERVICE_ACCESS),
    ],
)
def test_a_feature_that_is_off_binds_the_domains_own_people(
    people: dict[str, User], feature: str, verb: Verb
) -> None:
    one = Domain.objects.get(name="one.example")
    assert permissions.may(people["admin"], verb, one)
    domain_services.change_tab(domain=one, tab="features", values={feature: False}, by=None)
    with pytest.raises(FeatureOff) as error:
        permissions.require(people["admin"], verb, one)
    assert error.value.feature == feature
    assert permissions.may(people["root"], verb, one)


@pytest.mark.spec("D-036", "U-016")
def test_who_is_disabled_may_nothing(people: dict[str, User]) -> None:
    one = Domain.objects.get(name="one.example")
    domain_services.set_disabled(domain=one, is_disabled=True, by=None)
    admin = User.objects.select_related("domain").get(pk=people["admin"].pk)
    assert not permissions.may(admin, Verb.VIEW, one)
    assert not selectors.domains_for(admin).exists()
    services.change_user(user=people["rob"], values={"status": "disabled"}, by=None)
    assert not selectors.domains_for(User.objects.get(local_part="rob")).exists()


@pytest.mark.spec("D-092", "D-081")
def test_use_and_limit_are_shown_side_by_side(people: dict[str, User]) -> None:
    plans.add(name="tiny", values={"users_per_domain": 1}, by=None)
    plans.put_on(username="rob", plan_name="tiny", by=None)
    one = Domain.objects.get(name="one.example")
    users, aliases, names = selectors.in_use(one)
    assert (users.used, users.allowed, users.is_over) == (2, 1, True)
    assert (aliases.used, aliases.allowed) == (1, 1000)
    assert (names.used, names.allowed) == (0, 2)


@pytest.mark.spec("X-011")
def test_a_reseller_cannot_switch_on_what_his_plan_withholds(people: dict[str, User]) -> None:
    plans.add(name="bare", values={"withheld_features": ["syncml"]}, by=None)
    plans.put_on(username="rob", plan_name="bare", by=None)
    one = Domain.objects.get(name="one.example")
    with pytest.raises(FeatureOff):
        provisioning.change_tab(
            domain=one, tab="features", values={"syncml": True}, by=people["rob"]
        )


def test_a_new_administrator_may_at_once(people: dict[str, User]) -> None:
    alice = administrators.grant(user=people["alice"], by=None)
    assert selectors.domain_for(alice, "one.example", verb=Verb.CHANGE_ALIASES)
