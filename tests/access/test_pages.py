"""Every page of the panel, asked by every role: the table is in `tests/access/pages/*.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from panel import urls
from tests.access.rows import (
    COLUMNS,
    IMPERSONATOR,
    IN_PERSON,
    ROLES,
    Page,
    ask,
    ask_in,
    make_world_with_lists,
    open_window,
)


def load(path: Path) -> list[Page]:
    spec = importlib.util.spec_from_file_location(f"access_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: list[Page] = module.PAGES
    return pages


PAGES = [
    page for path in sorted((Path(__file__).parent / "pages").glob("*.py")) for page in load(path)
]


# One who sees all, and one who sees a part, ask whatever the pages ask of a database.
EACH_ROLE = [
    who if who in ("root", "admin") else pytest.param(who, marks=pytest.mark.once)
    for who in COLUMNS
]


def names(patterns: list[URLPattern | URLResolver]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found |= names(pattern.url_patterns)
        else:
            assert pattern.name, f"{pattern.pattern} has no name"
            found.add(f"{urls.app_name}:{pattern.name}")
    return found


def test_every_page_stands_in_the_table() -> None:
    assert names(urls.urlpatterns) - {page.name for page in PAGES} == set()


def test_every_line_of_the_table_is_a_page_with_a_word_for_each_role() -> None:
    assert {page.name for page in PAGES} - names(urls.urlpatterns) == set()
    assert [str(page) for page in PAGES if len(page.expected.split()) != len(ROLES)] == []


def test_every_page_that_is_closed_to_impersonators_is_a_page() -> None:
    assert IN_PERSON - names(urls.urlpatterns) == set()


@pytest.mark.spec("U-060")
@pytest.mark.django_db
@pytest.mark.parametrize("who", EACH_ROLE)
def test_each_role_gets_what_the_table_says(who: str) -> None:
    world = make_world_with_lists()
    expected = {(str(page), page.url): page.expected_of(who) for page in PAGES}
    if who == IMPERSONATOR:
        window = open_window(Client(), world, world.admin)
        last = [page for page in PAGES if page.name == "panel:impersonation-end"]
        pages = [page for page in PAGES if page not in last] + last  # it closes the window
        found = {(str(page), page.url): ask_in(window, page) for page in pages}
    else:
        found = {(str(page), page.url): ask(page, who, world) for page in PAGES}
    assert found == expected
