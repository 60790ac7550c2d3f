"""The panel's world: two resellers, their domains and people, a browser, and a count of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Browser

from accounts.models import User
from tests import browser
from tests.people import World, make_world


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def log_in() -> Callable[[User], Client]:
    """`log_in(world.root).get(url)`."""

    def by(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return by


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


@pytest.fixture
def visitor(chromium: Browser, live_server: object) -> Iterator[browser.Visitor]:
    """A browser window on a live server: `visitor.log_in(user).inspect(path, "name")`."""
    # A colour on its way to another is no colour of the page's.
    context = chromium.new_context(reduced_motion="reduce")
    yield browser.Visitor(context, str(live_server))
    context.close()


@pytest.fixture
def counted_queries() -> Callable[[], AbstractContextManager[CaptureQueriesContext]]:
    @contextmanager
    def counting() -> Iterator[CaptureQueriesContext]:
        with CaptureQueriesContext(connection) as captured:
            yield captured

    return counting


@dataclass
class Growth:
    """How many queries a page takes, few rows and many."""

    few: int
    many: int


@pytest.fixture
def queries_grow() -> Callable[[Client, str, Callable[[], object]], Growth]:
    """`queries_grow(client, url, make_more)`: the page is asked before and after `make_more()`."""

    def ask(client: Client, url: str) -> int:
        client.get(url)  # what is remembered from now on is not the page's
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    def grow(client: Client, url: str, make_more: Callable[[], object]) -> Growth:
        few = ask(client, url)
        make_more()
        return Growth(few, ask(client, url))

    return grow
