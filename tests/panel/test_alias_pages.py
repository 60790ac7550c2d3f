"""User aliases, the catch-all and domain aliases in the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import aliases
from accounts.models import User, UserAlias
from domains.models import DomainAlias, DomainFeatures, DomainLimits, HostedName
from tests.factories import make_alias, make_user
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
OWN = "/panel/domain/own.example"
LIST = f"{OWN}/aliases/"
NEW = f"{LIST}new/"
SALES = f"{OWN}/alias/sales/"
NAMES = f"{OWN}/domain-aliases/"
HOSTILE = "<img src=x onerror=alert(1)>"


def text_of(response: Any) -> str:
    content: bytes = response.content
    return content.decode()


def targets(local_part: str) -> list[str]:
    return aliases.target_names(UserAlias.objects.get(local_part=local_part))


@pytest.mark.spec("U-031", "D-011")
@pytest.mark.spec("U-030", lacks="spam levels, at which external targets get nothing (D-051)")
def test_an_alias_is_added_changed_and_deleted(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    new = {"name": "Info@own.example", "targets": "alice, bob@elsewhere.example\nadmin"}
    page = client.post(NEW, {**new, "internal_only": "on"}, follow=True)
    assert "Added info@own.example." in text_of(page)
    assert sorted(targets("info")) == ["admin", "alice", "bob@elsewhere.example"]
    info = UserAlias.objects.get(local_part="info")
    assert (info.internal_only, info.may_send_as, info.in_address_list) == (True, False, False)
    url = SALES.replace("sales", "info")
    client.post(url, {"targets": "alice", "may_send_as": "on"})
    info.refresh_from_db()
    assert (targets("info"), info.internal_only, info.may_send_as) == (["alice"], False, True)
    page = client.post(f"{LIST}delete/", {"only": "info"})
    assert "New mail for these addresses is refused." in text_of(page)
    assert UserAlias.objects.filter(local_part="info").exists()
    data = {"selected": ["info"], "confirmation": "yes"}
    page = client.post(f"{LIST}delete/", data, follow=True)
    assert "Deleted info@own.example." in text_of(page)
    assert not UserAlias.objects.filter(local_part="info").exists()


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("alice", "admin", "“alice” is taken by a user."),
        ("bad name", "admin", "use letters, digits"),
        ("new", "nobody", "nobody@own.example leads nowhere"),
        ("new", "a@b@c", "cannot be used"),
        ("new", "", "This field is required."),
    ],
)
def test_what_is_wrong_with_an_alias_stands_at_its_field(
    name: str, to: str, said: str, world: World, log_in: LogIn
) -> None:
    page = log_in(world.admin).post(NEW, {"name": name, "targets": to})
    assert said in text_of(page)
    assert page.context["form"].errors and not page.context["form"].non_field_errors()


def test_an_alias_that_would_lead_in_a_circle_is_refused(world: World, log_in: LogIn) -> None:
    make_alias(world.own, "team", "sales")
    page = log_in(world.admin).post(SALES, {"targets": "team"})
    assert "This would go in a circle: sales@own.example → team@own.example" in text_of(page)
    assert targets("sales") == ["alice"]


@pytest.mark.spec("D-086")
def test_the_limit_of_aliases_is_told(world: World, log_in: LogIn) -> None:
    DomainLimits.objects.filter(domain=world.own).update(user_aliases=1)
    page = log_in(world.admin).post(NEW, {"name": "more", "targets": "alice"})
    assert "The limit of 1 user alias is reached (1 in use)." in text_of(page)


def test_the_list_finds_aliases_by_where_they_lead(world: World, log_in: LogIn) -> None:
    make_user(world.own, "zoe")
    make_alias(world.own, "info", "zoe", "x@elsewhere.example", internal_only=True)
    client = log_in(world.admin)
    for query, expected in (
        ({}, ["info", "sales"]), ({"q": "zoe@own"}, ["info"]), ({"q": "sal"}, ["sales"]),
        ({"show": "internal"}, ["info"]), ({"sort": "-local_part"}, ["sales", "info"]),
    ):  # fmt: skip
        rows = client.get(LIST, query).context["listing"].rows
        assert [row.local_part for row in rows] == expected
    page = client.get(LIST)
    assert "x@elsewhere.example, zoe" in text_of(page)
    exported = client.get(LIST, {"format": "csv", "q": "info"})
    content = b"".join(exported.streaming_content).decode()  # type: ignore[attr-defined]
    assert "info@own.example,x@elsewhere.example zoe,yes" in content


def test_the_number_of_queries_does_not_grow_with_the_aliases(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    def more() -> None:
        for number in range(10):
            make_alias(world.own, f"more{number}", "alice", "admin", "x@elsewhere.example")

    for url in (LIST, NAMES):
        growth = queries_grow(log_in(world.admin), url, more if url == LIST else lambda: None)
        assert growth.many == growth.few <= 19


@pytest.mark.spec("D-062", "U-034")
def test_the_catch_all_is_set_and_taken_back(world: World, log_in: LogIn) -> None:
    client, url = log_in(world.admin), f"{OWN}/catch-all/"
    page = client.post(url, {"targets": "alice"}, follow=True)
    assert "Mail for unknown addresses is caught now." in text_of(page)
    assert "mail for unknown addresses goes to alice." in text_of(page)
    assert targets("*") == ["alice"]
    assert [row.local_part for row in page.context["listing"].rows] == ["sales"]
    assert "So do reports" not in text_of(page)
    page = client.post(url, {"targets": "alice", "takes_reports": "on"}, follow=True)
    assert "So do reports." in text_of(page)
    assert UserAlias.objects.get(local_part="*").takes_reports
    assert " checked" in text_of(client.get(url)).split('name="takes_reports"')[1].split(">")[0]
    page = client.post(url, {"targets": "a@b@c"})
    assert "cannot be used" in text_of(page)
    client.post(url, {"targets": ""})
    assert not UserAlias.objects.filter(local_part="*").exists()
    DomainFeatures.objects.filter(domain=world.own).update(catch_alls=False)
    assert client.post(url, {"targets": "alice"}).status_code == 403
    assert "Change" not in text_of(client.get(LIST)).split("Catch-all:")[1].split("</div>")[0]
    assert "switched off" in text_of(log_in(world.root).get(url))


@pytest.mark.spec("D-016", "D-065", "D-084", "D-100", "D-102")
@pytest.mark.spec("D-101")
def test_a_domain_alias_is_added_and_deleted(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    page = client.post(NAMES, {"name": "Bücher.example"}, follow=True)
    assert "Added bücher.example." in text_of(page)
    assert HostedName.objects.get(name="xn--bcher-kva.example").domain == world.own
    for name, said in (
        ("other.example", "is a domain or a domain alias already"),
        ("nodot", "is not a domain name"),
        ("third.example", "The limit of 2 domain aliases is reached"),
    ):
        assert said in text_of(client.post(NAMES, {"name": name}))
    assert "cannot" not in text_of(client.post(f"{NAMES}delete/", {"only": "alias.example"}))
    assert DomainAlias.objects.filter(name="alias.example").exists()
    data = {"selected": ["alias.example"], "confirmation": "yes"}
    page = client.post(f"{NAMES}delete/", data, follow=True)
    assert "Deleted alias.example." in text_of(page)
    assert not HostedName.objects.filter(name="alias.example").exists()
    DomainFeatures.objects.filter(domain=world.own).update(domain_aliases=False)
    assert client.get(NAMES).status_code == 403
    assert "Domain aliases" not in text_of(client.get(LIST))
    assert log_in(world.reseller).get(NAMES).status_code == 200


def test_aliases_of_others_are_out_of_reach(world: World, log_in: LogIn) -> None:
    for who in (world.other_admin, world.other_reseller):
        client = log_in(who)
        for url in (NEW, SALES, f"{LIST}delete/", f"{OWN}/catch-all/", NAMES, f"{NAMES}delete/"):
            data = {"selected": "sales", "confirmation": "yes", "name": "x.example"}
            assert client.post(url, data).status_code == 404
        own = "/panel/domain/other.example"
        client.post(f"{own}/domain-aliases/delete/", {"only": "alias.example",
                                                      "confirmation": "yes"})  # fmt: skip
    assert UserAlias.objects.filter(local_part="sales").exists()
    assert DomainAlias.objects.filter(name="alias.example").exists()


def test_markup_in_aliases_is_only_text(world: World, log_in: LogIn) -> None:
    UserAlias.objects.update(local_part=HOSTILE)
    DomainAlias.objects.update(unicode_name=HOSTILE)
    client = log_in(world.admin)
    for page in (
        client.get(LIST), client.get(NAMES), client.get(LIST, {"q": f'">{HOSTILE}'}),
        client.post(NEW, {"name": HOSTILE, "targets": HOSTILE}),
        client.post(f"{OWN}/catch-all/", {"targets": HOSTILE}),
        client.post(NAMES, {"name": HOSTILE}),
        client.post(f"{LIST}delete/", {"only": HOSTILE}),
    ):  # fmt: skip
        assert page.status_code == 200 and HOSTILE not in text_of(page)


def test_forms_about_aliases_from_elsewhere_are_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.admin)
    for url in (NEW, SALES, f"{LIST}delete/", f"{OWN}/catch-all/", NAMES, f"{NAMES}delete/"):
        assert client.post(url, {"selected": "sales"}).status_code == 403
