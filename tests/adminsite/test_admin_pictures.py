"""Pages of the Django admin in a browser: quiet, accessible, no wider than the window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from accounts import services
from tests import browser
from tests.factories import PASSWORD, make_domain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


def test_lists_forms_and_imports_are_fit_to_use(chromium: Browser, live_server: object) -> None:
    root = services.create_system_administrator("root", PASSWORD)[0]
    domain = make_domain("one.example", "alice", "bob")
    context = chromium.new_context(reduced_motion="reduce")
    visitor = browser.Visitor(context, str(live_server)).log_in(root)
    one = f"/admin/domains/domain/{domain.pk}"
    paths = {
        "list": "/admin/accounts/user/",
        "form": "/admin/operations/relaynetwork/add/",
        "import": "/admin/accounts/user/import-csv",
        "index": "/admin/",
        "choice": "/admin/accounts/domainownership/add/",
        "choices": "/admin/spool/gateway/add/",
        "change": f"/admin/accounts/user/{root.pk}/change/",
        "links": f"{one}/change/",
        "history": f"{one}/history/",
        "deletion": f"{one}/delete/",
    }
    looks = [("light", "wide"), ("light", "phone"), ("dark", "wide")]
    problems = []
    for theme, width in looks:
        x, y = browser.WIDTHS[width]
        visitor.page.emulate_media(color_scheme=theme)
        visitor.page.set_viewport_size({"width": x, "height": y})
        for name, path in paths.items():
            visitor.go(path)
            visitor.picture(f"admin-{name}-{width}-{theme}")
            for check in (visitor.check_fits, visitor.check_accessibility):
                try:
                    check()
                except AssertionError as complaint:
                    problems.append(f"{path}, {width}, {theme}: {complaint}")
    assert not problems, "\n".join(problems)
    visitor.check_quiet()
    context.close()
