"""What windows of impersonation answer besides the table: as a plain user, to look only, by others.

The table's own column of the impersonator is asked in `test_pages`.
"""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import resolve, reverse

from tests.access.rows import (
    IMPERSONATOR,
    IN_PERSON,
    ask_in,
    make_world_with_lists,
    open_window,
)
from tests.access.test_api import CALLS
from tests.access.test_pages import PAGES

pytestmark = pytest.mark.once


@pytest.mark.spec("U-061")
@pytest.mark.django_db
def test_each_page_is_the_users_own_or_closed() -> None:
    world = make_world_with_lists()
    window = open_window(Client(), world, world.user)
    asked = [page for page in PAGES if page.name != "panel:impersonation-end"]
    assert {str(page): ask_in(window, page) for page in asked} == {
        str(page): page.expected_of(IMPERSONATOR, subject="user") for page in asked
    }


@pytest.mark.spec("U-060")
@pytest.mark.django_db
def test_whoever_only_looks_can_change_nothing() -> None:
    world = make_world_with_lists()
    window = open_window(Client(), world, world.admin, is_read_only="on")
    always = {"panel:theme", "panel:impersonation-end", "panel:impersonation-enter"}
    posts = [page for page in PAGES if page.post is not None and page.name not in always]
    assert {str(page): ask_in(window, page) for page in posts} == {
        str(page): "403" for page in posts
    }


@pytest.mark.spec("U-060")
@pytest.mark.django_db
def test_the_other_doors_are_closed_in_a_window() -> None:
    world = make_world_with_lists()
    window = open_window(Client(), world, world.admin)
    doors = [reverse("admin:index"), reverse("admin:accounts_user_changelist")]
    doors += [reverse(f"api:{call.name}", args=call.args) for call in CALLS]
    answers = {door: window.client.get(window.prefix + door).status_code for door in doors}
    assert {door: status for door, status in answers.items() if status != 403} == {}


def test_pages_in_person_are_marked_so_in_the_code_as_well() -> None:
    for page in PAGES:
        facts = vars(resolve(page.url.partition("?")[0]).func)
        if "roles" in facts:
            assert facts["in_person"] == (page.name in IN_PERSON), page.name
