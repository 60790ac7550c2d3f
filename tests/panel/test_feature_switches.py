"""What a feature's switch hides and closes, for whom, and that it all comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts import plans, provisioning
from accounts.models import User
from api import tokens
from clock.moments import utc_now
from domains.models import Domain
from tests.api.conftest import Program
from tests.domains.specification import FEATURES
from tests.factories import PASSWORD
from tests.panel.test_domain_pages import filled
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
OWN = "/panel/domain/own.example/"
NEW = "/panel/domains/new/"
MAILED = {"kind": "user-activity", "user": "admin@own.example", "addresses": ["admin@own.example"]}


@dataclass(frozen=True)
class Gate:
    """A page and a call of the API that a feature opens to the domain's own people."""

    feature: str
    page: str
    method: str
    path: str
    body: Any = None
    shows: str = ""  # what the page shows of the data

    def __str__(self) -> str:
        return self.feature


GATES = [
    Gate("catch_alls", f"{OWN}catch-all/", "put", "domains/own.example/catch-all/",
         {"targets": ["alice"]}, "alice"),
    Gate("domain_aliases", f"{OWN}domain-aliases/", "post", "domain-aliases/",
         {"name": "further.example", "domain": "own.example"}, "further.example"),
    Gate("domain_reports", f"{OWN}reports/", "get", "reports/domain-traffic/?domain=own.example"),
    Gate("domain_reports", "/panel/reports/traffic/", "get",
         "reports/domain-users/?domain=own.example"),
    Gate("email_reports", "/panel/reports/mailed/new/", "post", "mailed-reports/", MAILED),
    Gate("user_reports", "/panel/reports/mine/", "get",
         "reports/user-activity/?user=alice@own.example"),
]  # fmt: skip


def switch(domain: Domain, **features: bool) -> None:
    provisioning.change_tab(domain=domain, tab="features", values=features, by=None)


def program(user: User) -> Program:
    name = f"test {user.api_tokens.count()}"  # type: ignore[attr-defined]
    return Program(tokens.issue(user=user, name=name, scopes=("*",), by=None, now=utc_now())[1])


def call(user: User, gate: Gate) -> Any:
    return program(user).call(gate.method, gate.path, gate.body, **{"If-Match": "*"})


def links_of(client: Client, page: str) -> set[str]:
    text = client.get(page).content.decode()
    found = re.findall(r'(?:href|action|formaction)="(/panel/[^"?#]*)', text)
    return {link for link in found if "/help/" not in link}


def walk(client: Client) -> dict[str, int]:
    """The status of every page that links lead to, from the first one on."""
    seen: dict[str, int] = {}
    waiting = ["/panel/"]
    while waiting:
        page = waiting.pop()
        if page in seen or page == "/panel/logout/":
            continue
        answer = client.get(page)
        seen[page] = answer.status_code
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            waiting += links_of(client, page)
    return seen


@pytest.mark.spec("D-060", lacks="webmail, DAV and SyncML behind the same gate")
@pytest.mark.parametrize("gate", GATES, ids=str)
def test_a_feature_that_is_off_closes_its_page_and_call_and_comes_back_with_its_data(
    world: World, log_in: LogIn, gate: Gate
) -> None:
    client = log_in(world.admin)
    assert client.get(gate.page).status_code == 200
    assert call(world.admin, gate).status_code in (200, 201)
    switch(world.own, **{gate.feature: False})
    page = client.get(gate.page)
    assert page.status_code == 403 and "switched off" in page.content.decode()
    refused = call(world.admin, gate)
    assert refused.status_code == 403
    assert refused.json()["type"] == "/api/problems/feature-off/"
    assert refused.json()["feature"] == gate.feature
    for above in (world.reseller, world.root):
        if gate.page.startswith(OWN):
            assert log_in(above).get(gate.page).status_code == 200
    switch(world.own, **{gate.feature: True})
    page = client.get(gate.page)
    assert page.status_code == 200 and gate.shows in page.content.decode()


@pytest.mark.spec("D-060", lacks="webmail, DAV and SyncML behind the same gate")
def test_no_link_leads_to_a_page_that_a_switch_has_closed(world: World, log_in: LogIn) -> None:
    client, closed = log_in(world.admin), {gate.page for gate in GATES}
    entrances = ("/panel/", f"{OWN}aliases/", "/panel/reports/mailed/")
    assert closed <= set().union(*(links_of(client, page) for page in entrances))
    switch(world.own, **{one.name: False for one in FEATURES})
    walked = walk(client)
    assert {page for page, status in walked.items() if status in (403, 404)} == set()
    assert len(walked) > 20 and not closed & set(walked)
    assert not closed & links_of(log_in(world.user), "/panel/")


@pytest.mark.spec("X-010", lacks="sharing and an archive")
def test_a_plan_withholds_features_from_its_resellers_domains_one_by_one(
    world: World, log_in: LogIn
) -> None:
    names = [one.name for one in FEATURES]
    switch(world.own, **dict.fromkeys(names, False))
    plans.add(name="bare", values={"withheld_features": names[1:]}, by=None)
    plans.put_on(username="rob", plan_name="bare", by=None)
    asker = program(world.reseller)
    for name in names[1:]:
        refused = asker.change("domains/own.example/", {"tabs": {"features": {name: True}}})
        assert (refused.status_code, refused.json()["feature"]) == (403, name)
    given = asker.change("domains/own.example/", {"tabs": {"features": {names[0]: True}}})
    assert given.json()["tabs"]["features"] == {name: name == names[0] for name in names}
    client = log_in(world.reseller)
    form = client.get(OWN).context["tabbed"].form("features")
    assert [name for name in names if form[name].field.disabled] == names[1:]
    assert client.post(OWN, filled(client, OWN, features__notes="on")).status_code == 302
    assert not Domain.objects.get(pk=world.own.pk).domainfeatures.notes
    new = {"name": "new.example", "administrator": {"username": "boss", "password": PASSWORD}}
    opened = asker.call("post", "domains/", new).json()["tabs"]["features"]
    assert opened == {name: name == names[0] for name in names}


@pytest.mark.spec("X-010", lacks="sharing and an archive")
def test_what_a_plan_withholds_cannot_be_ticked_for_a_new_domain(
    world: World, log_in: LogIn
) -> None:
    plans.add(name="bare", values={"withheld_features": ["notes"]}, by=None)
    plans.put_on(username="rob", plan_name="bare", by=None)
    for user, is_withheld in ((world.reseller, True), (world.root, False)):
        client = log_in(user)
        form = client.get(NEW).context["tabbed"].form("features")
        notes = form["notes"]
        assert notes.field.disabled is is_withheld
        assert notes.value() is not is_withheld
        assert ("Your plan does not have it." in notes.help_text) is is_withheld
        assert form["tasks"].value() and not form["tasks"].field.disabled
        name = f"new{user.pk}.example"
        changes = {"options__name": name, "options__username": "boss", "features__notes": "on"}
        data = filled(client, NEW, **changes, options__password=PASSWORD)
        assert client.post(NEW, data).status_code == 302
        features = Domain.objects.get(name=name).domainfeatures
        assert (features.notes, features.tasks) == (not is_withheld, True)


@pytest.mark.spec("X-010", lacks="sharing and an archive")
@pytest.mark.spec("X-011")
@pytest.mark.spec("D-060", lacks="webmail, DAV and SyncML behind the same gate")
def test_what_a_plan_withholds_later_is_off_and_cannot_be_ticked_and_its_switch_is_kept(
    world: World, log_in: LogIn
) -> None:
    gate = GATES[0]
    assert call(world.admin, gate).status_code == 200
    plan = plans.add(name="bare", values={"withheld_features": ["catch_alls"]}, by=None)
    plans.put_on(username="rob", plan_name="bare", by=None)
    assert log_in(world.admin).get(gate.page).status_code == 403
    assert call(world.admin, gate).json()["feature"] == "catch_alls"
    client = log_in(world.reseller)
    box = client.get(OWN).context["tabbed"].form("features")["catch_alls"]
    assert box.field.disabled and box.value() is False
    assert "Off as long as the plan of its reseller does not have it." in box.help_text
    forged = filled(client, OWN, features__catch_alls="on", features__notes="")
    assert client.post(OWN, forged).status_code == 302
    features = Domain.objects.get(pk=world.own.pk).domainfeatures
    assert features.catch_alls and not features.notes
    plans.change(plan=plan, values={"withheld_features": []}, by=None)
    page = log_in(world.admin).get(gate.page)
    assert page.status_code == 200 and gate.shows in page.content.decode()


@pytest.mark.spec("X-010", lacks="sharing and an archive")
def test_nor_in_the_wizard(world: World, log_in: LogIn) -> None:
    plans.add(name="bare", values={"withheld_features": ["notes"]}, by=None)
    plans.put_on(username="rob", plan_name="bare", by=None)
    client, url = log_in(world.reseller), f"{NEW}step/{{}}/".format
    entered = {
        1: {
            "options-name": "new.example",
            "options-username": "boss",
            "options-password": PASSWORD,
        },
        3: {"features-notes": "on"},
    }
    for number in range(1, 6):
        form = client.get(url(number)).context["form"]
        if number == 3:
            assert form["notes"].field.disabled and not form["notes"].value()
        shown = {form[name].html_name: form[name].value() for name in form.fields}
        # As a browser: an empty box and a field without a value are not sent, a 0 is.
        data = {
            key: value
            for key, value in shown.items()
            if value not in (None, "") and value is not False
        }
        data |= entered.get(number, {}) | {"go": "save" if number == 5 else "next"}
        answer = client.post(url(number), data)
        assert answer.status_code == 302, (answer.context["refused"], answer.context["form"].errors)
    features = Domain.objects.get(name="new.example").domainfeatures
    assert not features.notes and features.tasks
