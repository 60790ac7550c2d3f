"""Who can make room is told by the floor that new mail is refused by (S-057)."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from spool import errors, intake
from spool.models import Origin
from tests import disks
from tests.people import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("S-057")]
REFUSED = "new mail is refused for now"


def takes_mail() -> bool:
    try:
        intake.begin(sender="eve@elsewhere.example", origin=Origin.SMTP).abort()
    except errors.SpoolFull:
        return False
    return True


def readiness() -> tuple[int, str]:
    answer = Client(REMOTE_ADDR="127.0.0.1").get("/readyz")
    return answer.status_code, answer.json()["disk"]


def test_pages_and_readiness_follow_the_floor_of_the_operator(world: World, log_in) -> None:
    client = log_in(world.root)
    disks.set_floor(megabytes=0, percent=0)
    cache.clear()
    assert takes_mail()
    page = client.get("/panel/").content.decode()
    assert "of disk are free" not in page and "So little is free" not in page
    assert readiness()[1] == "ok"
    disks.set_floor(megabytes=2**31 - 1, percent=100)
    cache.clear()
    assert not takes_mail()
    page = client.get("/panel/").content.decode()
    assert f"of disk are free: {REFUSED}" in page
    assert f"So little is free that {REFUSED}" in page
    assert readiness() == (503, "low on space")
    # Nobody else can make room.
    assert REFUSED not in log_in(world.reseller).get("/panel/").content.decode()
