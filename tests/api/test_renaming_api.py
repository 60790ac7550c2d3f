"""Renaming a domain over REST: a rehearsal, then a job."""

from __future__ import annotations

from typing import Any

import pytest

from domains.models import Domain
from jobs import running
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "domains/own.example/rename/"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Any) -> World:
    settings.MAILHOST_DATA = tmp_path
    return make_world()


@pytest.mark.spec("D-014", "D-110", "D-113")
def test_a_reseller_rehearses_and_renames_his_domain(world: World, program: Any) -> None:
    asker = program(world.reseller, "domains:write", "jobs:read")
    told = asker.call("post", PATH, {"name": "Neü.example", "rehearse": True})
    assert told.status_code == 200, told.json()
    assert (told.json()["name"], told.json()["is_possible"]) == ("xn--ne-yka.example", True)
    assert {"what": "addresses of users", "count": 2} in told.json()["changes"]
    assert any(line.startswith("xn--ne-yka.example.") for line in told.json()["records"])
    begun = asker.call("post", PATH, {"name": "new.example"})
    assert begun.status_code == 202, begun.json()
    assert begun["Location"] == f"../../../jobs/{begun.json()['id']}/"
    running.run_waiting()
    job = asker.call("get", f"jobs/{begun.json()['id']}/").json()
    assert (job["state"], job["result"]["new"]) == ("done", "new.example")
    assert asker.call("get", "domains/new.example/").json()["name"] == "new.example"


@pytest.mark.spec("D-013")
def test_a_reload_answers_with_its_job(world: World, program: Any) -> None:
    asker = program(world.reseller)
    begun = asker.call("post", "domains/own.example/reload/")
    assert begun.status_code == 202, begun.json()
    running.run_waiting()
    job = asker.call("get", f"jobs/{begun.json()['id']}/").json()
    assert (job["state"], job["result"]["errors"]) == ("done", [])


def test_what_is_in_the_way_is_told_as_problems(world: World, program: Any) -> None:
    asker = program(world.reseller)
    told = asker.call("post", PATH, {"name": "other.example", "rehearse": True}).json()
    assert (told["is_possible"], told["changes"]) == (False, [])
    assert told["conflicts"][0]["type"] == "/api/problems/name-taken/"
    assert asker.call("post", PATH, {"name": "other.example"}).status_code == 409
    assert asker.call("post", PATH, {"name": "own.example"}).status_code == 422
    assert asker.call("post", PATH, {"name": "bad name"}).status_code == 422
    limits = {"tabs": {"limits": {"domain_aliases": 1}}}
    asker.change("domains/own.example/", limits)
    full = asker.call("post", PATH, {"name": "new.example"})
    assert (full.status_code, full.json()["type"]) == (409, "/api/problems/rename-refused/")
    by_alias = asker.call("post", "domains/alias.example/rename/", {"name": "new.example"})
    assert by_alias.json()["type"] == "/api/problems/name-moved-on/"
    tag = {"If-Match": '"old"'}
    assert asker.call("post", PATH, {"name": "new.example"}, **tag).status_code == 412


@pytest.mark.spec("U-004")
def test_others_cannot_even_rehearse_it(world: World, program: Any) -> None:
    for actor, status in ((world.other_reseller, 404), (world.admin, 403), (world.user, 404)):
        for rehearse in (True, False):
            body = {"name": "new.example", "rehearse": rehearse}
            assert program(actor).call("post", PATH, body).status_code == status
    reader = program(world.reseller, "domains:read")
    assert reader.call("post", PATH, {"name": "new.example"}).status_code == 403
    running.run_waiting()
    assert Domain.objects.get(pk=world.own.pk).name == "own.example"
