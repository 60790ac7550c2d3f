"""Domains over REST: the services' rules, in the API's words."""

import pytest
from django.test import Client

from accounts import plans
from administration import bulkjobs
from domains.models import Domain, DomainLimits
from jobs.models import Job
from jobs.progress import Progress
from tests.factories import make_domain

NEW = {
    "name": "new.example",
    "administrator": {"username": "boss", "password": "four plain words please"},
    "tabs": {"limits": {"users": 7}},
}


def test_a_reseller_opens_reads_changes_and_deletes_a_domain(world, program):
    asker = program(world.reseller)
    opened = asker.call("post", "domains/", NEW)
    assert opened.status_code == 201, opened.json()
    assert opened["Location"].endswith("/api/v1/domains/new.example/")
    assert opened.json()["tabs"]["limits"]["users"] == 7
    assert opened.json()["reseller"] == "rob"
    assert opened.json()["administrator"] == "boss"
    body = {"is_disabled": True, "tabs": {"limits": {"users": 9}, "throttling": {}}}
    changed = asker.change("domains/new.example/", body)
    assert changed.status_code == 200, changed.json()
    assert changed.json()["is_disabled"] and changed.json()["tabs"]["limits"]["users"] == 9
    assert DomainLimits.objects.get(domain__name="new.example").users == 9
    unsure = asker.call("delete", "domains/new.example/?confirm=other.example")
    assert unsure.status_code == 422
    assert asker.call("delete", "domains/new.example/?confirm=new.example").status_code == 204
    assert not Domain.objects.filter(name="new.example").exists()


@pytest.mark.spec("U-004")
def test_resellers_do_not_see_each_others_domains(world, program):
    asker = program(world.other_reseller)
    names = [row["name"] for row in asker.call("get", "domains/").json()["items"]]
    assert names == ["other.example"]
    for method, path, body in (
        ("get", "domains/own.example/", None),
        ("patch", "domains/own.example/", {"is_disabled": True}),
        ("delete", "domains/own.example/?confirm=own.example", None),
        ("get", "domains/own.example/catch-all/", None),
    ):
        answer = asker.call(method, path, body, **{"If-Match": "*"})
        missing = asker.call(method, path.replace("own", "nowhere"), body, **{"If-Match": "*"})
        assert answer.status_code == missing.status_code == 404
        assert answer.json()["type"] == missing.json()["type"] == "/api/problems/not-found/"
    assert not Domain.objects.get(name="own.example").is_disabled


@pytest.mark.spec("X-011")
def test_a_full_plan_is_409_with_its_numbers(world, program):
    plans.add(name="small", by=None, values={"domains": 1})
    plans.put_on(username="rob", plan_name="small", by=None)
    answer = program(world.reseller).call("post", "domains/", NEW)
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "/api/problems/limit-reached/"
    assert (body["limit"], body["allowed"], body["used"]) == ("domains", 1, 1)


@pytest.mark.spec("X-011")
def test_a_full_server_is_409_without_the_numbers_of_others(world, program):
    root = program(world.root)
    values = {"domains": 2, "withheld_features": ["notes"]}
    assert root.change("settings/caps/", values).json()["domains"] == 2
    answer = program(world.reseller).call("post", "domains/", NEW)
    assert (answer.status_code, answer.json()["type"]) == (409, "/api/problems/server-full/")
    assert answer.json()["limit"] == "domains" and not {"allowed", "used"} & answer.json().keys()
    assert root.call("get", "domains/own.example/").json()["withheld_features"] == ["notes"]
    whole = {one["limit"]: one for one in root.call("get", "limits/").json()["items"]}
    assert (whole["domains"]["allowed"], whole["domains"]["left"]) == (2, 0)
    assert program(world.reseller).call("get", "limits/").status_code == 403
    wrong = root.change("settings/caps/", {"withheld_features": ["teleport"]})
    assert wrong.status_code == 422


def test_a_domain_administrator_reads_his_domain_and_changes_no_limits(world, program):
    asker = program(world.admin)
    assert asker.call("get", "domains/own.example/").status_code == 200
    assert asker.call("get", "domains/other.example/").status_code == 404
    for body in ({"tabs": {"limits": {"users": 0}}}, {"is_disabled": True}, {"reseller": None}):
        answer = asker.change("domains/own.example/", body)
        assert answer.status_code == 403, body
    assert asker.call("post", "domains/", NEW).status_code == 403
    assert asker.change("domains/own.example/", {"administrator": "alice"}).status_code == 200


def test_a_reseller_gives_a_domain_to_nobody_else(world, program):
    asker = program(world.reseller)
    assert asker.call("post", "domains/", NEW | {"reseller": "ruth"}).status_code == 403
    assert asker.change("domains/own.example/", {"reseller": "ruth"}).status_code == 403


@pytest.mark.spec("D-034")
def test_system_administrators_alone_say_where_a_domain_lies(world, program, settings, tmp_path):
    settings.MAILHOST_DOMAIN_ROOTS = [str(tmp_path.resolve())]
    body = NEW | {"folder_path": str(tmp_path.resolve() / "chosen")}
    refused = program(world.reseller).call("post", "domains/", body)
    assert (refused.status_code, refused.json()["type"]) == (403, "/api/problems/not-permitted/")
    assert not Domain.objects.filter(name="new.example").exists()
    opened = program(world.root).call("post", "domains/", body)
    assert opened.status_code == 201, opened.json()
    assert Domain.objects.get(name="new.example").area.path == body["folder_path"]


def test_the_provider_hands_a_domain_over(world, program):
    asker = program(world.root)
    assert asker.change("domains/own.example/", {"reseller": "ruth"}).json()["reseller"] == "ruth"
    assert asker.change("domains/own.example/", {"reseller": None}).json()["reseller"] is None


def test_every_wrong_value_is_named(world, program):
    body = {"tabs": {"limits": {"users": -1, "aliases": 2}, "priority": {"standard": 11}}}
    answer = program(world.root).change("domains/own.example/", body)
    assert answer.status_code == 422
    fields = {one["field"] for one in answer.json()["errors"]}
    assert "tabs.limits.aliases" in fields and "tabs.priority.standard" in fields


@pytest.mark.spec("D-014", "D-031")
def test_another_name_is_nothing_that_a_change_may_hold(world, program):
    asker = program(world.root)
    for body in ({"name": "evil.example"}, {"name": "evil.example", "is_disabled": True}):
        answer = asker.change("domains/own.example/", body)
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == "/api/problems/name-fixed/"
        assert problem["name"] == "own.example" and "/rename/" in problem["detail"]
    domain = Domain.objects.get(pk=world.own.pk)
    assert (domain.name, domain.is_disabled) == ("own.example", False)
    same = asker.change("domains/own.example/", {"name": "own.example", "is_disabled": True})
    assert same.status_code == 200 and same.json()["is_disabled"]


@pytest.mark.parametrize("value", ["5", 5.0, True, None, [], -1, 2**31])
def test_a_number_is_a_number(world, program, value):
    body = {"tabs": {"limits": {"users": value}}}
    assert program(world.root).change("domains/own.example/", body).status_code == 422


def test_lists_go_on_behind_the_last_row(world, program):
    asker = program(world.root)
    first = asker.call("get", "domains/?size=1&count=true").json()
    assert [row["name"] for row in first["items"]] == ["other.example"] and first["total"] == 2
    second = asker.get(first["next"]).json()
    assert [row["name"] for row in second["items"]] == ["own.example"]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["after=x", "after=MQ==", "size=0", "size=1000", "unknown=1"])
def test_a_wrong_query_is_refused(world, program, query):
    assert program(world.root).call("get", f"domains/?{query}").status_code == 422


def test_lists_are_filtered(world, program):
    asker = program(world.root)

    def names(query):
        return [row["name"] for row in asker.call("get", f"domains/?{query}").json()["items"]]

    assert names("q=own") == ["own.example"]
    assert names("reseller=ruth") == ["other.example"]
    assert names("is_disabled=true") == []


def test_a_list_costs_the_same_however_long(world, program, django_assert_max_num_queries):
    asker = program(world.root)
    asker.call("get", "domains/")
    with django_assert_max_num_queries(4):
        asker.call("get", "domains/")
    with django_assert_max_num_queries(4):
        asker.call("get", "users/")


@pytest.mark.spec("X-006")
def test_several_domains_are_disabled_each_by_itself(world, program):
    names = ["own.example", "other.example"]
    asker = program(world.reseller)
    answer = asker.call("post", "domains/actions/", {"action": "disable", "names": names})
    assert answer.status_code == 207
    body = answer.json()
    assert (body["done"], body["refused"]) == (1, 1)
    assert [row["status"] for row in body["results"]] == [200, 404]
    assert Domain.objects.get(name="own.example").is_disabled
    assert not Domain.objects.get(name="other.example").is_disabled


@pytest.mark.spec("X-006", "X-007")
def test_very_many_domains_are_disabled_by_a_job_within_sight(world, program, monkeypatch):
    monkeypatch.setattr(bulkjobs, "MOST_AT_ONCE", 1)
    make_domain("third.example")
    asker = program(world.root)
    begun = asker.call("post", "domains/actions/", {"action": "disable", "all": True})
    assert begun.status_code == 202 and begun.json()["total"] == 3, begun.json()
    assert not Domain.objects.filter(is_disabled=True).exists()
    job = Job.objects.get()
    done = bulkjobs.set_domains(Progress(job_id=job.pk, actor_id=job.actor_id), **job.arguments)
    assert done["done"] == Domain.objects.filter(is_disabled=True).count() == 3
    theirs = program(world.reseller)
    enabled = theirs.call("post", "domains/actions/", {"action": "enable", "all": True})
    assert enabled.status_code == 207 and enabled.json()["done"] == 1
    body = {"action": "enable", "filter": {"reseller": "ruth"}}
    assert theirs.call("post", "domains/actions/", body).status_code == 422
    assert asker.call("post", "domains/actions/", body).json()["done"] == 1
    assert [one.name for one in Domain.objects.filter(is_disabled=True)] == ["third.example"]


@pytest.mark.spec("X-006")
def test_no_selection_no_action(world, program):
    for meant in ({}, {"names": []}, {"filter": {}}, {"all": False}, {"filter": {"q": "nobody"}}):
        body = {"action": "disable", **meant}
        assert program(world.root).call("post", "domains/actions/", body).status_code == 422, body


def test_several_domains_are_deleted_by_a_job(world, program):
    asker = program(world.reseller)
    body = {"action": "delete", "names": ["own.example", "other.example"]}
    assert asker.call("post", "domains/actions/", body).status_code == 422
    started = asker.call("post", "domains/actions/", body | {"confirm": True})
    assert started.status_code == 202 and started.json()["state"] == "queued"
    path = f"jobs/{started.json()['id']}/"
    assert program(world.other_reseller).call("get", path).status_code == 404
    job = Job.objects.get()
    done = bulkjobs.close_domains(Progress(job_id=job.pk, actor_id=job.actor_id), **job.arguments)
    assert (done["done"], done["refused"]) == (1, 1)
    assert [(row["row"], row["name"]) for row in done["results"]] == [(1, "other.example")]
    assert list(Domain.objects.values_list("name", flat=True)) == ["other.example"]


@pytest.mark.spec("U-034")
def test_the_catch_all_is_set_and_taken_away(world, program):
    asker = program(world.admin)
    path = "domains/own.example/catch-all/"
    nobody = {"targets": [], "takes_reports": False}
    assert asker.call("get", path).json() == nobody
    changed = asker.change(path, {"targets": ["alice"]}, method="put")
    assert changed.json() == {"targets": ["alice"], "takes_reports": False}
    changed = asker.change(path, {"targets": ["alice"], "takes_reports": True}, method="put")
    assert changed.json() == {"targets": ["alice"], "takes_reports": True}
    assert asker.change(path, {"targets": ["admin"]}, method="put").json()["takes_reports"] is True
    assert asker.change(path, {"targets": []}, method="put").json() == nobody


def test_the_session_of_the_panel_reads_and_needs_its_token_to_write(world):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.reseller)
    assert browser.get("/api/v1/domains/").status_code == 200
    forged = browser.post("/api/v1/domains/", NEW, content_type="application/json")
    assert forged.status_code == 403
    assert forged["Content-Type"] == "application/problem+json"
