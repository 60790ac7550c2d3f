"""Users who have not come for long: found, disabled, deleted, exported."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.inactivity import months_before
from accounts.models import LastActivity, Status, User
from clock.moments import utc_now
from mailboxes.models import AccountUsage
from tests.factories import make_user
from tests.panel.reading import LogIn, rows, text
from tests.people import World

pytestmark = pytest.mark.django_db


def seen(user: User, at: datetime, service: str = "imap") -> None:
    LastActivity.objects.update_or_create(user=user, defaults={"at": at, "service": service})


@pytest.mark.spec("M-030", "M-031", "M-032", "M-033", "M-034")
def test_inactive_users_are_those_without_a_log_in_for_the_chosen_time(
    world: World, log_in: LogIn
) -> None:
    now = utc_now()
    ages = {
        "d29": now - timedelta(days=29), "d31": now - timedelta(days=31),
        "d91": now - timedelta(days=91), "m6": months_before(now, 6) - timedelta(hours=1),
        "m12": months_before(now, 12) - timedelta(hours=1),
    }  # fmt: skip
    for name, at in ages.items():
        seen(make_user(world.own, name), at)
    User.objects.filter(pk=world.user.pk).update(created_at=now - timedelta(days=40))
    client = log_in(world.admin)

    def found(show: str = "") -> list[str]:
        page = client.get("/panel/inactive-users/", {"show": show})
        return [row.local_part for row in rows(page)]

    assert found() == found("30d") == ["m12", "m6", "d91", "alice", "d31"]
    assert found("90d") == ["m12", "m6", "d91"]
    assert found("6m") == ["m12", "m6"]
    assert found("12m") == ["m12"]


@pytest.mark.spec("M-035")
def test_inactive_users_are_disabled_deleted_and_exported(world: World, log_in: LogIn) -> None:
    old = utc_now() - timedelta(days=400)
    User.objects.update(created_at=old)
    seen(world.user, old, "pop")
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": 3 * 2**20})
    other = User.objects.get(domain=world.other, local_part="alice")
    client = log_in(world.admin)
    page: Any = client.get("/panel/inactive-users/", {"format": "csv", "q": "alice"})
    content = b"".join(page.streaming_content).decode("utf-8-sig")
    shown = list(csv.reader(io.StringIO(content)))[1]
    assert shown[:2] == ["alice@own.example", "own.example"]
    assert shown[3:] == ["pop", str(3 * 2**20), "Enabled"]
    both = {"selected": [world.user.pk, other.pk]}
    page = client.post("/panel/inactive-users/disable/?show=12m", both, follow=True)
    assert "Disabled alice@own.example." in text(page) and "Undo" in text(page)
    statuses = dict(User.objects.values_list("pk", "status"))
    assert (statuses[world.user.pk], statuses[other.pk]) == (Status.DISABLED, Status.ENABLED)
    page = client.post("/panel/inactive-users/delete/", both)
    assert "alice@own.example" in text(page) and "other.example" not in text(page)
    for typed in ("", "alice@other.example"):
        client.post("/panel/inactive-users/delete/", {**both, "confirmation": typed})
    assert User.objects.filter(pk=world.user.pk).exists()
    typed = {**both, "confirmation": "alice@own.example"}
    client.post("/panel/inactive-users/delete/", typed)
    assert not User.objects.filter(pk=world.user.pk).exists()
    assert User.objects.filter(pk=other.pk).exists()
