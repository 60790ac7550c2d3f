"""The pages of the defaults: what new domains begin with, and carrying it over (D-027)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import expect

from accounts import plans
from accounts.models import User
from domains import defaults
from domains.models import Domain
from events.models import AuditEntry
from jobs import running
from jobs.models import Job, State
from tests.browser import Visitor
from tests.factories import PASSWORD, make_domain
from tests.panel.test_domain_pages import HOSTILE, filled
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
PAGE = "/panel/domain-defaults/"
EXISTING = f"{PAGE}existing/"


@pytest.mark.spec("D-027")
def test_the_form_of_a_new_domain_begins_with_what_the_page_has_saved(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    data = filled(client, PAGE, limits__users="20", features__notes=None, options__is_disabled="on")
    page = client.post(PAGE, data, follow=True).content.decode()
    assert "New domains begin with these values" in page and "Undo" in page
    assert client.get("/panel/domains/new/step/4/").status_code == 302  # not reached yet
    tabbed = client.get("/panel/domains/new/").context["tabbed"]
    assert tabbed.form("limits")["users"].value() == 20
    assert tabbed.form("features")["notes"].value() is False
    new = filled(
        client, "/panel/domains/new/", options__name="new.example", options__username="admin",
        options__password=PASSWORD, limits__user_aliases="7",
    )  # fmt: skip
    client.post("/panel/domains/new/", new)
    domain = Domain.objects.get(name="new.example")
    assert (domain.domainlimits.users, domain.domainlimits.user_aliases) == (20, 7)
    assert domain.is_disabled and not domain.domainfeatures.notes
    entry = AuditEntry.objects.get(verb="changed domain defaults")
    client.post("/panel/audit/undo/", {"entry": entry.pk})
    assert defaults.current() == defaults.factory()


def test_what_no_domain_could_have_is_refused_at_its_field(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    page = client.post(PAGE, filled(client, PAGE, technical__pop_port="143"))
    assert page.context["tabbed"].active == "technical"
    stale = filled(client, PAGE, limits__users="3")
    client.post(PAGE, filled(client, PAGE, limits__users="4"))
    assert "Somebody else saved this page" in client.post(PAGE, stale).content.decode()
    assert defaults.current()["limits"]["users"] == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-027", "X-007")
def test_chosen_defaults_are_set_on_all_domains_by_a_job_and_undone_as_one(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    same = make_domain("same.example", limits={"users": 20})
    values = {"limits": {"users": 20, "domain_aliases": 9}, "features": {"notes": False}}
    defaults.change(values=values, by=None)
    chosen = {"fields_chosen": ["limits.users"], "reason": "one price list"}
    page = client.post(EXISTING, {**chosen, "go": "preview"})
    text = page.content.decode()
    assert page.context["count"] == 2 and page.context["same"] == 1
    assert "100</del> → <ins" in text and ">same.example" not in text
    assert not Job.objects.exists() and world.own.domainlimits.users == 100
    version = page.context["version"]
    page = client.post(EXISTING, {**chosen, "go": "run", "version": version}, follow=True)
    assert page.redirect_chain[0][0].startswith("/panel/jobs/")
    running.run_waiting()
    job = Job.objects.get()
    assert (job.state, job.result) == (State.DONE, {"changed": 2, "refused": 0})
    for domain in Domain.objects.all():
        assert (domain.domainlimits.users, domain.domainlimits.domain_aliases) == (20, 2)
    entries = AuditEntry.objects.filter(verb="changed limits")
    assert {(e.actor, e.reason, e.operation) for e in entries} == {
        ("root", "one price list", f"job-{job.pk}")
    }
    page = client.get(f"/panel/jobs/{job.pk}/")
    assert "What it changed, and Undo" in page.content.decode()
    client.post("/panel/audit/undo/", {"operation": f"job-{job.pk}"})
    counts = {d.name: d.domainlimits.users for d in Domain.objects.all()}
    assert counts == {"own.example": 100, "other.example": 100, same.name: 20}


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-027")
def test_a_domain_whose_plan_withholds_it_stays_and_the_preview_and_the_job_say_why(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    plans.add(name="Small", values={"withheld_features": ["active_directory"]}, by=None)
    plans.put_on(username="rob", plan_name="Small", by=None)
    defaults.change(values={"features": {"active_directory": True}}, by=None)
    chosen = {
        "fields_chosen": ["features.active_directory"],
        "names": "own.example, other.example",
    }
    page = client.post(EXISTING, {**chosen, "go": "preview"})
    assert [(str(one.domain), bool(one.obstacle)) for one, _ in page.context["rows"]] == [
        ("other.example", False),
        ("own.example", True),
    ]
    client.post(EXISTING, {**chosen, "go": "run", "version": page.context["version"]})
    running.run_waiting()
    job = Job.objects.get()
    assert job.result == {"changed": 1, "refused": 1}
    assert "own.example stays as it is" in job.notes[0][1]
    assert not Domain.objects.get(name="own.example").domainfeatures.active_directory


def test_nothing_runs_that_was_not_seen_or_not_chosen(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    page = client.post(EXISTING, {"names": "own.example", "go": "run"}).content.decode()
    assert "Choose at least one setting." in page
    unknown = {"fields_chosen": "limits.users", "names": f"own.example nowhere.example {HOSTILE}"}
    page = client.post(EXISTING, unknown).content.decode()
    assert "There is no domain" in page and HOSTILE not in page
    defaults.change(values={"limits": {"users": 20}}, by=None)
    stale = {"fields_chosen": "limits.users", "go": "run", "version": "1"}
    assert "look at it once more" in client.post(EXISTING, stale).content.decode()
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_pages_in_a_browser(visitor: Visitor) -> None:
    world = make_world()
    root = visitor.log_in(world.root)
    defaults.change(values={"limits": {"users": 20}}, by=None)
    root.inspect(PAGE, "domain-defaults")
    root.inspect(EXISTING, "domain-defaults-existing")
    page = root.page
    page.locator('input[value="limits.users"]').check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="2 domains would change")).to_be_visible()
    visitor.check_accessibility()
    visitor.check_fits()
    visitor.picture("domain-defaults-preview")
