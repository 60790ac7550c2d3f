"""The API does what the panel does: each page has its operations, or a reason to have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver

from api import urls as api_urls
from domains.singlerow import ALL
from panel import urls
from panel.views import spool as spool_pages
from spool.orders import Kind
from tests.access.parity import NONE, OPERATIONS


def addresses(patterns: list[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            yield str(pattern.name), pattern.callback


def changing() -> set[str]:
    """The pages that take a POST; those before the log-in take whatever comes."""
    found = addresses(urls.urlpatterns)
    return {name for name, view in found if "POST" in getattr(view, "methods", ("POST",))}


def operations() -> set[str]:
    """Of the API, each as the table writes it."""
    return {
        f"{method} {name}"
        for name, view in addresses(api_urls.urlpatterns)
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(getattr(view, "cls", None), method)
    }


def told(page: str) -> list[str]:
    """The operations of a page."""
    rows = sorted(ALL) if page == "settings" else [""]
    return [one.format(name=row) for one in OPERATIONS[page].split(", ") for row in rows]


def test_every_page_of_the_panel_has_its_operations_or_a_reason_to_have_none() -> None:
    pages = {name for name, _ in addresses(urls.urlpatterns)}
    assert pages - OPERATIONS.keys() - NONE.keys() == set(), "build them, or tell why not"
    assert (OPERATIONS.keys() | NONE.keys()) - pages == set()
    assert OPERATIONS.keys() & NONE.keys() == set()


def test_every_operation_of_the_table_is_there() -> None:
    assert {one for page in OPERATIONS for one in told(page)} - operations() == set()


def test_what_a_page_changes_an_operation_changes() -> None:
    readers = {page for page in OPERATIONS if all(one.startswith("get ") for one in told(page))}
    assert changing() & readers == set()
    assert len(changing()) > 80


def test_the_api_has_every_verb_of_the_spool() -> None:
    as_told = {"route": "way"}
    verbs = {as_told.get(verb, verb) for verb in spool_pages.VERBS}
    assert verbs <= {kind.value for kind in Kind}
