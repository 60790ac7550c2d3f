"""Swagger UI in a real browser: it works within the policy of the site."""

import pytest

from tests import browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif(not browser.CHROMIUM, reason="chromium is not installed")
def test_the_page_of_the_api_works_under_the_policy(live_server):
    with browser.chromium() as chromium:
        context = chromium.new_context()
        visitor = browser.Visitor(context, str(live_server))
        page = visitor.go("/api/docs/")
        page.wait_for_selector(".opblock-tag-section")
        assert page.locator(".opblock-tag-section").count() > 10
        assert visitor.complaints == []
        context.close()
