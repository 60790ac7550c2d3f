"""What every room's tests share: a running server and a clean data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from blobs.committer import stop_process_committer
from tests import databases, memories, settings
from tests.running import RunningServer


def pytest_unconfigure() -> None:
    settings.remove_data()


@pytest.fixture(autouse=True)
def _nothing_is_remembered(request: pytest.FixtureRequest, django_db_blocker: Any) -> None:
    """Policies, settings and keys of an earlier test's rows would answer for this one's.

    So would the segment that its committer has open.
    """
    databases_used = {"db", "transactional_db"} & set(request.fixturenames)
    if databases_used or request.node.get_closest_marker("django_db"):
        with django_db_blocker.unblock():
            stop_process_committer(10)
        memories.forget_everything()
        cache.clear()


@pytest.fixture
def own_database() -> Iterator[str | None]:
    """None: the server's own SQLite; a fresh PostgreSQL database where the suite runs on one.

    Rows and files belong together: a server with a data folder of its own needs one of these.
    """
    with databases.fresh(os.environ.get("MAILHOST_DATABASE_URL")) as url:
        yield url


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A whole server, started once for each test process: use domains of your own on it."""
    data: Path = tmp_path_factory.mktemp("server") / "data"
    with databases.fresh(os.environ.get("MAILHOST_DATABASE_URL")) as url:
        running = RunningServer(data, database_url=url, failed_login_ms=20)
        running.start()
        yield running
        running.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a browser shows does not depend on the database: `-m "not browser"` leaves it out."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
