"""The logs as their page searches them, and transcripts of dialogues."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.test import Client

from clock.moments import utc_now
from events.models import AuditEntry
from logbook.kinds import Kind as LogKind
from logbook.writer import BOOK
from operations import logs
from tests.panel.reading import HOSTILE, LogIn, text
from tests.people import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def smtp_log(settings: Any, tmp_path: Any) -> None:
    settings.MAILHOST_DATA = tmp_path
    BOOK.open(logs.folder())
    for name, session in (("own", 1), ("other", 2)):
        domains = (f"{name}.example",)
        BOOK.note(LogKind.SMTP, f"mail for {name} {HOSTILE}", session=session, domains=domains)
        BOOK.note(LogKind.SMTP, f"{name} says goodbye", session=session, domains=domains)
    BOOK.flush()


@pytest.mark.spec("M-080", "M-081", "M-082", "M-083", "M-084", "M-086", "M-087")
def test_logs_are_searched_and_downloaded_by_who_may_see_them(
    world: World, log_in: LogIn, smtp_log: None
) -> None:
    root, admin = log_in(world.root), log_in(world.admin)
    url = "/panel/logs/"

    def lines(client: Client, **query: str) -> list[str]:
        return [line.text for line in client.get(url, query).context.get("lines", [])]

    assert len(lines(root)) == 4
    assert HOSTILE not in text(root.get(url))
    assert "Log settings" in text(root.get(url)) and "Log settings" not in text(admin.get(url))
    assert len(lines(root, domain="other.example")) == 2
    assert all("own" in line for line in lines(admin)) and len(lines(admin)) == 2
    assert len(lines(admin, search="OWN mail")) == 1
    page = admin.get(url, {"search": "goodbye", "has_related": "on"})
    assert [line.is_hit for line in page.context["lines"]] == [False, True]
    assert lines(root, type="imap") == []
    page = root.get(url, {"date": "2020-02-02"})
    assert "No log" in text(page) and utc_now().date().isoformat() in text(page)
    assert admin.get(url, {"domain": "other.example"}).status_code == 404
    answer: Any = admin.get(f"{url}download/")
    packed = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    content = packed.read(packed.namelist()[0]).decode()
    assert "mail for own" in content and "other" not in content
    assert AuditEntry.objects.filter(verb="downloaded a log", actor="admin@own.example").exists()


@pytest.mark.spec("M-085")
def test_of_a_long_log_the_newest_megabyte_is_shown(
    world: World, log_in: LogIn, smtp_log: None
) -> None:
    for number in range(1200):
        BOOK.note(LogKind.SMTP, f"{number} {'x' * 1000}", session=3)
    page = log_in(world.root).get("/panel/logs/")
    shown = [line.text for line in page.context["lines"]]
    assert "only the newest 1 MB is shown" in text(page)
    assert " 1199 x" in shown[-1] and " 0 x" not in shown[0]
    assert sum(len(line) + 1 for line in shown) <= 1_048_576


@pytest.mark.spec("M-088")
def test_a_dialogue_is_recorded_until_it_is_stopped(
    world: World, log_in: LogIn, smtp_log: None
) -> None:
    client = log_in(world.root)
    page = client.post("/panel/transcripts/new/", {"subject": "x", "minutes": "10"})
    assert "Must be a mail address or an IP address" in text(page)
    post = {"subject": "alice@own.example", "minutes": "10"}
    page = client.post("/panel/transcripts/new/", post, follow=True)
    assert "Recording alice@own.example now" in text(page)
    row = page.context["row"]
    assert "Recording" in text(client.get("/panel/transcripts/"))
    client.post(f"/panel/transcripts/{row.pk}/stop/")
    assert "Nothing was said" in text(client.get(f"/panel/transcripts/{row.pk}/"))
    row.refresh_from_db()
    assert row.stopped_at is not None
