"""Moving the folder of a domain over REST: a job of the provider's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs import running
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "domains/own.example/folder/"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.MAILHOST_DATA = tmp_path / "data"
    settings.MAILHOST_DOMAIN_ROOTS = [str(tmp_path / "disk")]
    return make_world()


@pytest.mark.spec("D-034")
def test_the_provider_moves_a_folder_and_undoes_it(
    world: World, program: Any, tmp_path: Path
) -> None:
    asker = program(world.root)
    here = asker.call("get", PATH).json()
    assert here == {
        "folder_path": str(tmp_path / "data/domains/own.example"), "moving_to": None, "job": None
    }  # fmt: skip
    wanted = {"folder_path": str(tmp_path / "disk" / "own")}
    begun = asker.call("post", PATH, wanted)
    assert begun.status_code == 202, begun.json()
    shown = asker.call("get", PATH).json()
    assert (shown["moving_to"], shown["job"]) == (wanted["folder_path"], begun.json()["id"])
    again = asker.call("post", PATH, wanted)
    assert (again.status_code, again.json()["type"]) == (409, "/api/problems/folder-in-move/")
    running.run_waiting()
    assert asker.call("get", PATH).json()["folder_path"] == wanted["folder_path"]
    job = asker.call("get", f"jobs/{begun.json()['id']}/").json()
    assert (job["state"], job["result"]["left"]) == ("done", 0)
    operation = asker.call("get", f"audit/?q=operation:job-{job['id']}").json()["items"]
    entry = next(one for one in operation if one["verb"] == "moved folder")
    undone = asker.call("post", f"audit/{entry['id']}/undo/", {})
    assert undone.status_code == 200, undone.json()
    running.run_waiting()
    assert asker.call("get", PATH).json() == here


def test_what_cannot_be_the_folder_is_told(world: World, program: Any, tmp_path: Path) -> None:
    asker = program(world.root)
    for path, slug in (
        ("/etc/mail", "folder-refused"),
        ("relative", "folder-refused"),
        (str(tmp_path / "data/domains/other.example"), "folder-refused"),
        (str(tmp_path / "data/domains/own.example"), "values-refused"),
        ("", "values-refused"),
    ):
        answer = asker.call("post", PATH, {"folder_path": path})
        assert (answer.status_code, answer.json()["type"]) == (422, f"/api/problems/{slug}/")
    by_alias = asker.call("post", "domains/alias.example/folder/", {"folder_path": "/x"})
    assert by_alias.json()["type"] == "/api/problems/name-moved-on/"


@pytest.mark.spec("U-004")
def test_nobody_else_moves_folders(world: World, program: Any, tmp_path: Path) -> None:
    body = {"folder_path": str(tmp_path / "disk" / "own")}
    for actor in (world.reseller, world.other_reseller, world.admin, world.user):
        assert program(actor).call("get", PATH).status_code == 403
        assert program(actor).call("post", PATH, body).status_code == 403
    reader = program(world.root, "domains:read")
    assert reader.call("get", PATH).status_code == 200
    assert reader.call("post", PATH, body).status_code == 403
