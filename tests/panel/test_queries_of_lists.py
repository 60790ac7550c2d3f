"""The pages of the benchmark ask as many questions of a large provider as of a small one."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests import memories
from tests.bench.page_rows import Size, fill
from tests.bench.pages import API, PANEL

SMALL = Size(domains=3, users=400, messages=5)  # some of everything
LARGE = Size(domains=40, users=1_200, messages=60)
PAGES = [page for page in (*PANEL, *API) if "sort=" not in page and "size=" not in page]


class _TakenBack(Exception):
    """The rows are gone again."""


def ask_all(size: Size) -> dict[str, int]:
    memories.forget_everything()
    cache.clear()
    fill(size)
    clients: dict[str, Client] = {}
    found = {}
    for page in PAGES:
        who, _, url = page.partition(" ")
        if who not in clients:
            clients[who] = Client()
            clients[who].force_login(User.objects.get(domain=None, local_part=who))
        assert clients[who].get(url).status_code == 200, page
        with CaptureQueriesContext(connection) as captured:
            clients[who].get(url)
        found[page] = len(captured)
    return found


@pytest.mark.django_db
@pytest.mark.timeout(300)
@pytest.mark.once
def test_no_page_asks_more_as_the_provider_grows() -> None:
    few: dict[str, int] = {}
    try:
        with transaction.atomic():
            few = ask_all(SMALL)
            raise _TakenBack
    except _TakenBack:
        many = ask_all(LARGE)
    # One for each row would be dozens; one may be for something that the small one has none of.
    assert {page: (few[page], many[page]) for page in few if many[page] > few[page] + 1} == {}
