"""Whole mailboxes as files over REST: for who asked alone, within sight."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from jobs import running
from jobs.models import Job
from tests.mailboxes.filled import put
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "users/alice@own.example/exports/"


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.MAILHOST_DATA = tmp_path
    return make_world()


@pytest.mark.spec("U-024")
@pytest.mark.parametrize("who", ["user", "admin", "reseller", "root"])
def test_a_mailbox_is_exported_and_downloaded(world: World, program: Any, who: str) -> None:
    put(world.user, b"Subject: one\r\n\r\nHello\r\n")
    asker = program(getattr(world, who))
    assert asker.call("get", PATH).json() == []
    begun = asker.call("post", PATH)
    assert begun.status_code == 202, begun.json()
    key = begun.json()["id"]
    assert asker.call("get", f"{PATH}{key}/").status_code == 404  # not made yet
    running.run_waiting()
    (shown,) = asker.call("get", PATH).json()
    assert (shown["job"]["id"], shown["job"]["state"]) == (key, "done")
    answer = asker.call("get", f"{PATH}{key}/")
    content = b"".join(answer.streaming_content)
    assert (len(content), shown["reason"]) == (shown["size_bytes"], "")
    assert 'filename="alice at own.example.zip"' in answer["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert b"\nSubject: one\n" in file.read("INBOX.mbox")
    strangers = {"user", "admin", "reseller", "root", "other_admin", "other_reseller"} - {who}
    for stranger in strangers:
        assert program(getattr(world, stranger)).call("get", f"{PATH}{key}/").status_code == 404


@pytest.mark.spec("U-004")
def test_others_get_nothing(world: World, program: Any) -> None:
    for actor, address in (
        (world.other_admin, "alice@own.example"),
        (world.other_reseller, "alice@own.example"),
        (world.user, "admin@own.example"),
        (world.user, "alice@other.example"),
        (world.root, "nobody@own.example"),
    ):
        for method in ("get", "post"):
            answer = program(actor).call(method, f"users/{address}/exports/")
            assert answer.status_code == 404, (actor, address)
    for scopes, status in ((["users:write"], 403), (["mailboxes:read"], 403)):
        assert program(world.user, *scopes).call("post", PATH).status_code == status
    assert program(world.user, "users:read").call("get", PATH).status_code == 403
    assert not Job.objects.exists()
