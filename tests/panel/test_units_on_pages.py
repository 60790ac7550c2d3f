"""Sizes and moments on the pages of the panel and the admin: one function, the viewer's zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import LastActivity, User
from events.models import AuditEntry
from mailboxes.models import AccountUsage, DomainUsage
from tests.people import World

LogIn = Callable[[User], Client]
LATE = datetime(2026, 1, 5, 22, 30, 7, tzinfo=UTC)
OWN = "/panel/domain/own.example"
# Words for what `units` says; days of a report's range are dates and no moments.
OTHER_WAYS = re.compile(
    r"filesizeformat|timesince|timeuntil|\|time\b|localtime|\|date:\"[^\"]*[HiGg]|} UTC|} [KMG]B\b"
)


def text_of(response: Any) -> str:
    content: bytes = response.content
    return content.decode()


@pytest.fixture
def seen(world: World) -> World:
    """Alice was there late in the evening of UTC; root lives where it was the next morning."""
    User.objects.filter(pk=world.root.pk).update(time_zone="Asia/Kolkata")
    User.objects.filter(pk=world.user.pk).update(time_zone="America/New_York")
    LastActivity.objects.create(user=world.user, at=LATE, service="imap")
    AuditEntry.objects.update(at=LATE)
    return world


@pytest.mark.spec("X-001")
def test_each_viewer_reads_moments_in_his_own_zone_which_is_named(
    seen: World, log_in: LogIn
) -> None:
    for viewer, page, shown in (
        (seen.root, f"{OWN}/users/", "2026-01-06 04:00 IST"),
        (seen.admin, f"{OWN}/users/", "2026-01-05 22:30 UTC"),
        (seen.root, f"{OWN}/user/alice/", "2026-01-06 04:00 IST"),
        (seen.root, "/panel/inactive-users/", "2026-01-06 04:00:07 IST"),
        (seen.admin, "/panel/inactive-users/", "2026-01-05 22:30:07 UTC"),
        (seen.user, "/panel/", "2026-01-05 17:30 EST"),
        (seen.root, "/panel/audit/", "2026-01-06 04:00:07 IST"),
        (seen.admin, f"{OWN}/audit/", "2026-01-05 22:30:07 UTC"),
        (seen.root, "/admin/accounts/lastactivity/", "2026-01-06 04:00:07 IST"),
    ):
        assert shown in text_of(log_in(viewer).get(page)), (viewer, page)
    assert timezone.get_current_timezone_name() == "UTC"  # of whoever is asked for next


@pytest.mark.spec("X-001")
def test_files_have_utc_whoever_asks(seen: World, log_in: LogIn) -> None:
    page: Any = log_in(seen.root).get("/panel/inactive-users/", {"format": "csv"})
    head, *rows = b"".join(page.streaming_content).decode("utf-8-sig").splitlines()
    assert head == "User,Domain,Last activity (UTC),By,Mailbox (bytes),Status"
    assert "alice@own.example,own.example,2026-01-05 22:30:07,imap,0,Enabled" in rows


@pytest.mark.spec("X-001")
def test_sizes_are_said_by_one_function_everywhere(world: World, log_in: LogIn) -> None:
    size = (3 << 19) + 1  # a byte more than one and a half
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": size})
    DomainUsage.objects.update_or_create(domain=world.own, defaults={"bytes": size})
    User.objects.filter(pk=world.user.pk).update(mailbox_size_mb=1_500)
    LastActivity.objects.create(user=world.user, at=LATE, service="imap")
    for viewer, page in (
        (world.root, "/panel/"), (world.root, "/panel/domains/"), (world.root, f"{OWN}/users/"),
        (world.root, f"{OWN}/disk-space/"), (world.root, f"{OWN}/limits/"),
        (world.root, "/panel/reports/disk/"), (world.root, "/panel/inactive-users/"),
        (world.admin, "/panel/"), (world.user, "/panel/"), (world.user, "/panel/reports/mine/"),
        (world.root, "/admin/mailboxes/accountusage/"),
        (world.root, "/admin/mailboxes/domainusage/"),
    ):  # fmt: skip
        assert "1.6 MB" in text_of(log_in(viewer).get(page)), (viewer, page)
    assert "1,500 MB" in text_of(log_in(world.root).get(f"{OWN}/disk-space/"))


def test_no_template_says_sizes_or_moments_in_another_way() -> None:
    texts = Path(settings.BASE_DIR, "templates").rglob("*.*")
    found = {
        str(path): OTHER_WAYS.findall(path.read_text("utf-8"))
        for path in texts
        if path.suffix in (".html", ".txt") and path.name != "throttled_subject.txt"
    }
    assert {path: ways for path, ways in found.items() if ways} == {}
