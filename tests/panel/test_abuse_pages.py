"""Blocks, the rules that make them, and the lists beside them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clock.moments import utc_now
from operations import blocks, rules
from operations.models import AbuseRule, Action, BlacklistEntry, Block, Kind, WhitelistEntry
from tests.panel.reading import HOSTILE, LogIn, rows, text
from tests.people import World

pytestmark = pytest.mark.django_db


@pytest.mark.spec("M-050", "M-051", "M-052", "M-053", "M-054", "M-055", "M-056")
def test_blocks_are_shown_by_service_and_kind_and_deleted(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    post = {"network": "198.51.100.1", "service": "imap", "minutes": "10", "note": HOSTILE}
    client.post("/panel/blocks/new/", post)
    blocks.add(network="198.51.100.2", seconds=600, by=None)
    caught = blocks.add(network="198.51.100.3", seconds=600, service="smtp", by=None)
    Block.objects.filter(pk=caught.pk).update(kind=Kind.HARVESTING, hits=12)
    blocks.add(network="198.51.100.4", seconds=600, by=None)
    Block.objects.filter(network="198.51.100.4").update(until=utc_now() - timedelta(seconds=1))

    def found(**query: str) -> list[str]:
        return sorted(row.network[-1] for row in rows(client.get("/panel/blocks/", query)))

    assert found() == ["1", "2", "3"]
    assert found(show="smtp") == ["2", "3"]
    assert found(show="imap") == ["1", "2"]
    assert found(show="pop") == found(show="ldap") == ["2"]
    assert found(show="harvesting") == ["3"]
    assert HOSTILE not in text(client.get("/panel/blocks/"))
    page = client.post("/panel/blocks/delete/", {"only": caught.pk}, follow=True)
    assert "Deleted the block of 198.51.100.3." in text(page)
    assert found() == ["1", "2"]


@pytest.mark.spec("M-060")
def test_rules_are_added_edited_disabled_deleted_and_set_by_presets(
    world: World, log_in: LogIn
) -> None:
    AbuseRule.objects.all().delete()
    client = log_in(world.root)
    new = {
        "kind": "connections", "service": "imap", "threshold": "12", "window_minutes": "5",
        "block_minutes": "7", "action": "block", "description": "Ours", "is_enabled": "on",
    }  # fmt: skip
    assert client.post("/panel/abuse-rules/new/", new).status_code == 302
    rule = AbuseRule.objects.get()
    assert (rule.window_seconds, rule.block_seconds, rule.threshold) == (300, 420, 12)
    page = client.post("/panel/abuse-rules/new/", new)
    assert "Has a rule for this service already" in text(page)
    url = f"/panel/abuse-rules/{rule.pk}/"
    page = client.post(url, {**new, "action": Action.NOTIFY})
    assert "Does not fit the kind" in text(page)
    client.post(url, {**new, "threshold": "13"})
    page = client.post("/panel/abuse-rules/disable/", {"selected": rule.pk}, follow=True)
    assert "Undo" in text(page)
    rule.refresh_from_db()
    assert (rule.threshold, rule.is_enabled) == (13, False)
    client.post("/panel/abuse-rules/delete/", {"only": rule.pk})
    client.post("/panel/abuse-rules/preset/", {"preset": "strict"})
    assert AbuseRule.objects.count() == len(rules.PRESETS["strict"])
    assert client.post("/panel/abuse-rules/preset/", {"preset": "x"}).status_code == 302


@pytest.mark.spec("M-070", "M-071")
@pytest.mark.parametrize("name", ["blacklist", "whitelist"])
def test_lists_are_edited_and_leave_as_the_file_that_they_take(
    world: World, log_in: LogIn, name: str
) -> None:
    model: Any = {"blacklist": BlacklistEntry, "whitelist": WhitelistEntry}[name]
    client = log_in(world.root)
    client.post(f"/panel/{name}/new/", {"network": "198.51.100.0/24", "note": "=cmd()"})
    entry = model.objects.get()
    client.post(f"/panel/{name}/{entry.pk}/", {"services": ["smtp", "web"], "note": "=cmd()"})
    page: Any = client.get(f"/panel/{name}/", {"format": "csv"})
    content = b"".join(page.streaming_content)
    table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert table == [["Network", "Services", "Note"], ["198.51.100.0/24", "smtp web", "'=cmd()"]]
    client.post(f"/panel/{name}/delete/", {"only": entry.pk})
    assert not model.objects.exists()
    more = content + b"nonsense,,<b>\r\n"
    page = client.post(
        f"/panel/{name}/import/", {"file": SimpleUploadedFile("list.csv", more)}, follow=True
    )
    entry = model.objects.get()
    assert (entry.network, entry.services, entry.note) == (
        "198.51.100.0/24", ["smtp", "web"], "=cmd()",
    )  # fmt: skip
    assert "Added 1" in text(page) and "line 3" in text(page)
    bad = SimpleUploadedFile("list.csv", b"\xff\xfe\x00")
    assert "no text file" in text(client.post(f"/panel/{name}/import/", {"file": bad}))
