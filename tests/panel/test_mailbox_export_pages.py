"""The pages that export a whole mailbox: of a user, and one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.settings import LOGIN
from jobs import running
from jobs.models import Job, State
from mailboxes.errors import NoRoomForExport
from tests.browser import Visitor
from tests.mailboxes.filled import put
from tests.people import World, make_world

LogIn = Callable[[User], Client]
USER, OWN = "/panel/domain/own.example/user/alice/export/", "/panel/account/export/"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.MAILHOST_DATA = tmp_path
    return make_world()


@pytest.mark.spec("U-024")
def test_a_user_exports_his_own_mailbox_and_nobody_else_gets_the_file(
    world: World, log_in: LogIn
) -> None:
    put(world.user, b"Subject: one\r\n\r\nHello\r\n")
    client = log_in(world.user)
    assert f'href="{OWN}"' in client.get("/panel/account/").content.decode()
    assert client.post(OWN).status_code == 302
    client.post(OWN)  # the one that waits serves
    job = Job.objects.get()
    assert client.get(f"{OWN}{job.pk}/").status_code == 404
    running.run_waiting()
    page = client.get(OWN).content.decode()
    assert f'href="{OWN}{job.pk}/"' in page and "1 message, " in page
    answer = client.get(f"{OWN}{job.pk}/")
    assert answer.status_code == 200 and b"".join(answer.streaming_content)[:2] == b"PK"
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith("attachment; ")
    assert "no-store" in answer["Cache-Control"]
    for other in (world.admin, world.reseller, world.root):
        assert log_in(other).get(f"{USER}{job.pk}/").status_code == 404
    assert log_in(world.admin).get(f"{OWN}{job.pk}/").status_code == 404
    trail = client.get("/panel/account/audit/").content.decode()
    assert "downloaded the exported mailbox" in trail


@pytest.mark.spec("U-024")
def test_an_export_that_runs_can_be_cancelled_from_its_page(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    client.post(USER)
    assert 'name="cancel"' in client.get(USER).content.decode()
    client.post(USER, {"cancel": "1"})
    assert Job.objects.get().state == State.CANCELLED
    assert "No file was made." in client.get(USER).content.decode()
    error = f"{NoRoomForExport('alice@own.example')}\n\nTraceback: internals"
    Job.objects.update(state=State.FAILED, error=error)
    page = client.get(USER).content.decode()
    assert "No file was made: the server has no room for a copy of the mailbox of alice@" in page
    assert "internals" not in page


@pytest.mark.spec("U-061")
def test_impersonators_export_nothing_where_the_provider_forbids_them_to_read_mail(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    answer = client.post("/panel/impersonate/", {"address": "admin@own.example"})
    window = client.get(answer["Location"])["Location"]
    assert client.get(f"{window}domain/own.example/user/alice/export/").status_code == 200
    LOGIN.change({"impersonators_may_read_mail": False}, by=None)
    LOGIN.forget()
    for page in ("domain/own.example/user/alice/export/", "account/export/"):
        assert client.get(f"{window}{page}").status_code == 403
        assert client.post(f"{window}{page}").status_code == 403
    assert not Job.objects.exists()


@pytest.mark.spec("U-024")
def test_in_the_browser_a_mailbox_is_exported(world: World, visitor: Visitor) -> None:
    put(world.user, b"Subject: one\r\n\r\nHello\r\n")
    visitor.log_in(world.admin)
    page = visitor.go("/panel/domain/own.example/user/alice/")
    page.get_by_role("link", name="Export mailbox").click()
    page.get_by_role("button", name="Make the file").click()
    page.get_by_role("button", name="Cancel the export").wait_for()
    running.run_waiting()
    link = page.get_by_role("link", name="Download the export")
    link.wait_for()
    with page.expect_download() as downloading:
        link.click()
    assert downloading.value.suggested_filename == "alice at own.example.zip"
    visitor.inspect(USER, "mailbox-export")
    visitor.check_quiet()
