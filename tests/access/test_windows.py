"""What pages answer in the window of an impersonation: what they answer the subject, or less."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from tests.access.rows import LOGIN, ROLES, Page
from tests.access.test_pages import PAGES
from tests.people import make_world


def expected(page: Page, who: str) -> str:
    facts = vars(resolve(page.url.partition("?")[0]).func)
    if facts.get("works_in_windows") or facts.get("opens_windows"):
        return page.expected.split()[ROLES.index(who)]
    if "roles" not in facts or facts["in_person"]:
        return "403"
    return page.expected.split()[ROLES.index(who)]


@pytest.mark.spec("U-060", "U-061")
@pytest.mark.django_db
@pytest.mark.parametrize("who", ["admin", "user"])
def test_each_page_is_the_subjects_or_closed(who: str) -> None:
    world = make_world()
    client = Client()
    client.force_login(world.root)
    asked = [page for page in PAGES if page.name != "panel:impersonation-end"]
    address = {"address": str(getattr(world, who))}
    token = client.post("/panel/impersonate/", address)["Location"]
    window = client.get(token)["Location"].removesuffix("/panel/")

    def ask(page: Page) -> str:
        url = window + page.url
        answer: Any = client.get(url) if page.post is None else client.post(url, page.post)
        is_login = answer.status_code == 302 and "/panel/login/" in answer["Location"]
        return LOGIN if is_login else str(answer.status_code)

    assert {str(page): ask(page) for page in asked} == {
        str(page): expected(page, who) for page in asked
    }
