"""Pages of the Django admin in a browser: quiet, accessible, no wider than the window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from accounts import services
from tests import browser
from tests.factories import PASSWORD, make_domain

# Unfold's frame has its own mind about landmarks, which are best practice and no rule of WCAG,
# and about the size of its search button, which WCAG 2.2 wants larger.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


def test_lists_forms_and_imports_are_fit_to_use(chromium: Browser, live_server: object) -> None:
    root = services.create_system_administrator("root", PASSWORD)[0]
    make_domain("one.example", "alice", "bob")
    context = chromium.new_context(reduced_motion="reduce")
    visitor = browser.Visitor(context, str(live_server)).log_in(root)
    problems = []
    for name, path in (
        ("list", "/admin/accounts/user/"),
        ("form", "/admin/operations/relaynetwork/add/"),
        ("import", "/admin/accounts/user/import-csv"),
    ):
        for width, (x, y) in browser.WIDTHS.items():
            visitor.page.set_viewport_size({"width": x, "height": y})
            visitor.go(path)
            visitor.picture(f"admin-{name}-{width}")
            visitor.check_fits()
            found = Axe().run(visitor.page, options={"runOnly": WCAG})
            if found.violations_count:
                problems.append(f"{path}, {width}: {found.generate_report()}")
    assert not problems, "\n".join(problems)
    visitor.check_quiet()
    context.close()
