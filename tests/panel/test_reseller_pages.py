"""Resellers, their plans, and whose a domain is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import plans
from accounts.models import DomainOwnership, Plan, ResellerPlan, Role, Status, User
from domains import switches
from domains.models import Domain
from tests.factories import PASSWORD, make_domain
from tests.panel.test_domain_pages import filled
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
LIST = "/panel/resellers/"
ROB = "/panel/reseller/rob/"
PLANS = "/panel/plans/"
HOSTILE = "<script>alert(1)</script>"


def text_of(response: Any) -> str:
    content: bytes = response.content
    return content.decode()


def form_of(client: Client, url: str, **changes: object) -> dict[str, object]:
    page = client.get(url)
    data = {bound.html_name: bound.value() or "" for bound in page.context["form"]}
    return {**data, "version": page.context.get("version", ""), **changes}


@pytest.mark.spec("U-004")
@pytest.mark.spec("X-011")
def test_a_reseller_is_added_put_on_a_plan_and_deleted(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    plans.add(name="Small", values={"domains": 1}, by=None)
    new = {"username": "Rita", "full_name": "Rita R.", "plan": "Small", "password": PASSWORD}
    page = client.post(f"{LIST}new/", {**new, "password": "short"})
    assert "fewer than 10 characters" in text_of(page)
    page = client.post(f"{LIST}new/", {**new, "username": "rob"})
    assert page.context["form"].errors["username"]
    page = client.post(f"{LIST}new/", new, follow=True)
    assert "Added the reseller rita." in text_of(page) and "Small" in text_of(page)
    rita = User.objects.get(local_part="rita")
    assert (rita.role, rita.domain, rita.full_name) == (Role.RESELLER, None, "Rita R.")
    assert rita.reseller_plan.plan.name == "Small"  # type: ignore[attr-defined]
    url = ROB.replace("rob", "rita")
    client.post(url, form_of(client, url, plan="", status="disabled"))
    rita = User.objects.get(local_part="rita")
    assert rita.status == Status.DISABLED
    assert not ResellerPlan.objects.filter(reseller=rita).exists()
    data = {"selected": ["rita", "rob"], "confirmation": "yes"}
    page = client.post(f"{LIST}delete/", data, follow=True)
    assert "Deleted rita." in text_of(page) and "rob still has domains" in text_of(page)
    assert not User.objects.filter(local_part="rita").exists()


def test_who_saves_a_reseller_second_is_told(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    first, second = (form_of(client, ROB, full_name=name) for name in ("One", "Two"))
    assert client.post(ROB, first).status_code == 302
    assert "Somebody else saved this page" in text_of(client.post(ROB, second))
    assert User.objects.get(pk=world.reseller.pk).full_name == "One"


@pytest.mark.spec("D-081")
@pytest.mark.spec("X-011")
def test_a_plan_caps_what_its_resellers_open(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    new = {"caps-name": "Tiny", "features-calendar": "on"}
    new |= {f"caps-{name}": "0" for name in ("users", "users_per_domain", "disk_space_mb")}
    new |= {"caps-domains": "1", "caps-mailing_lists": "0"}
    page = client.post(f"{PLANS}new/", new, follow=True)
    assert "Added the plan." in text_of(page)
    plan = Plan.objects.get()
    assert (plan.name, plan.domains, plan.withheld_features) == ("Tiny", 1, ["calendar"])
    assert "in use for another plan" in text_of(client.post(f"{PLANS}new/", new)).lower()
    client.post(ROB, form_of(client, ROB, plan="Tiny"))
    reseller, url = log_in(world.reseller), "/panel/domains/new/"
    wanted = {
        "options__name": "more.example", "options__username": "ada",
        "options__password": PASSWORD, "features__calendar": None,
    }  # fmt: skip
    page = reseller.post(url, filled(reseller, url, **wanted))
    assert "The limit of 1 domain is reached" in text_of(page)
    edit = f"/panel/plan/{plan.pk}/"
    assert client.post(edit, {**new, "caps-domains": "2"}).status_code == 302
    assert reseller.post(url, filled(reseller, url, **wanted)).status_code == 302
    edit = "/panel/domain/more.example/"
    page = reseller.post(edit, filled(reseller, edit, features__calendar="on"))
    assert page.status_code == 302  # the box is disabled, and what is sent for it counts nothing
    assert not switches.is_on(Domain.objects.get(name="more.example").pk, "calendar")
    data = {"selected": [str(plan.pk)], "confirmation": "yes"}
    page = client.post(f"{PLANS}delete/", data, follow=True)
    assert "resellers are on this plan" in text_of(page)
    client.post(ROB, form_of(client, ROB, plan=""))
    client.post(f"{PLANS}delete/", data)
    assert not Plan.objects.exists()


def test_a_domain_is_given_to_another_reseller_and_back(world: World, log_in: LogIn) -> None:
    client, url = log_in(world.root), "/panel/domain/own.example/owner/"
    page = client.post(url, {"reseller": "ruth"}, follow=True)
    assert "own.example belongs to ruth now." in text_of(page)
    assert log_in(world.reseller).get("/panel/domain/own.example/").status_code == 404
    assert log_in(world.other_reseller).get("/panel/domain/own.example/").status_code == 200
    client.post(url, {"reseller": ""})
    assert not DomainOwnership.objects.filter(domain=world.own).exists()
    assert client.post(url, {"reseller": "nobody"}).status_code == 200
    plan = plans.add(name="None", values={"domains": 1}, by=None)
    plans.put_on(username="ruth", plan_name=plan.name, by=None)
    page = client.post(url, {"reseller": "ruth"})
    assert "The limit of 1 domain is reached" in text_of(page)


def test_the_number_of_queries_does_not_grow(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    def more() -> None:
        for number in range(8):
            plan = plans.add(name=f"Plan {number}", by=None)
            domain = make_domain()
            user = User.objects.create(
                local_part=f"r{number}", role=Role.RESELLER, created_at=world.root.created_at
            )
            DomainOwnership.objects.create(domain=domain, reseller=user)
            ResellerPlan.objects.create(reseller=user, plan=plan)

    growth = queries_grow(log_in(world.root), LIST, more)
    assert growth.many == growth.few <= 12
    growth = queries_grow(log_in(world.root), PLANS, lambda: plans.add(name="one more", by=None))
    assert growth.many == growth.few <= 12


def test_markup_of_resellers_and_plans_is_only_text(world: World, log_in: LogIn) -> None:
    User.objects.filter(pk=world.reseller.pk).update(full_name=HOSTILE)
    plan = plans.add(name=HOSTILE, by=None)
    plans.put_on(username="rob", plan_name=HOSTILE, by=None)
    client = log_in(world.root)
    for url in (LIST, ROB, PLANS, f"/panel/plan/{plan.pk}/", "/panel/domain/own.example/owner/"):
        page = client.get(url)
        assert page.status_code == 200 and HOSTILE not in text_of(page)


def test_forms_about_resellers_from_elsewhere_are_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.root)
    for url in (f"{LIST}new/", ROB, f"{LIST}delete/", f"{PLANS}new/", f"{PLANS}delete/"):
        assert client.post(url, {"selected": "rob"}).status_code == 403
