"""What every room's tests share: a running server and a clean data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as conf
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase

from blobs.committer import stop_process_committer
from tests import databases, emptying, memories, settings
from tests.running import RunningServer

# All doors to a database: its own, or a server's.
OF_ROWS = {"django_db_setup", "db", "transactional_db", "live_server", "database_url"}


def pytest_configure() -> None:
    databases.share()


def pytest_unconfigure() -> None:
    settings.remove_data()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Outside of any test, whose seconds are limited."""
    needs_tables = any(item.get_closest_marker("rows") for item in session.items)
    if needs_tables and not session.config.option.collectonly:
        databases.make_tables(os.environ.get("MAILHOST_DATABASE_URL"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How a test failed that passed when it was repeated: nothing else keeps that."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_sep("_", f"repeated: {report.nodeid}")
        report.toterminal(terminalreporter._tw)


@pytest.fixture(scope="session")
def database_url() -> str | None:
    """Where the suite runs on PostgreSQL; what asks for it is tried there too."""
    return os.environ.get("MAILHOST_DATABASE_URL")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, database_url: str | None
) -> Iterator[None]:
    """A database of this process, with all tables, as a copy of one."""
    with databases.fresh(database_url) as url:
        if url is None:
            Path(conf.DATABASES["default"]["NAME"]).write_bytes(databases.sqlite_with_tables())
        else:
            name = url.rpartition("/")[2]
            conf.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptying.empty())
            yield


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
def own_database(database_url: str | None) -> Iterator[str | None]:
    """None: the server's own SQLite; a fresh PostgreSQL database where the suite runs on one.

    Rows and files belong together: a server with a data folder of its own needs one of these.
    """
    with databases.fresh(database_url) as url:
        yield url


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, database_url: str | None
) -> Iterator[RunningServer]:
    """A whole server, started once for each test process: use domains of your own on it."""
    data: Path = tmp_path_factory.mktemp("server") / "data"
    with databases.fresh(database_url) as url:
        running = RunningServer(data, database_url=url, failed_login_ms=20)
        running.start()
        yield running
        running.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what depends on the database, and what drives a browser, whose pages do not."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if OF_ROWS & fixtures or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.rows)
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.browser)
