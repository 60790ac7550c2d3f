"""The help: every page and field leads to a topic that exists (X-020)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from panel import helptopics
from panel.helptopics import TOPICS
from tests.browser import Visitor
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]


def test_every_topic_opens_for_everybody_and_has_a_text(world: World, log_in: LogIn) -> None:
    for who in (world.user, world.root):
        client = log_in(who)
        for topic in TOPICS.values():
            page = client.get(topic.url)
            text = page.content.decode()
            assert page.status_code == 200 and topic.title in text
            assert len(text.partition("help-text")[2]) > 200
    assert log_in(world.user).get("/panel/help/nothing/").status_code == 404


@pytest.mark.spec("X-020")
def test_every_page_and_every_field_leads_to_its_topic(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for path, topic in (
        ("/panel/", "getting-started"),
        ("/panel/domains/", "domains"),
        ("/panel/domain/own.example/", "domains"),
        ("/panel/settings/", "settings"),
    ):
        page = client.get(path).content.decode()
        assert f'href="/panel/help/{topic}/" aria-label="Help on this page"' in page
    page = client.get("/panel/domains/new/")
    text = page.content.decode()
    missing = [
        f"{tab.key}.{cell.field.name}"
        for tab in page.context["tabbed"]
        for cell in (*tab.form.cells(), *tab.form.switches())
        if f'href="/panel/help/domains.{tab.key}/#{cell.field.name}"' not in text
    ]
    assert missing == []


@pytest.mark.spec("U-063")
def test_help_with_a_domain_leads_to_help_with_a_user_and_back(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    pages = {
        "/panel/domain/own.example/impersonate/": "troubleshooting-domain",
        "/panel/impersonate/": "troubleshooting-user",
    }
    for page, topic in pages.items():
        (other,) = set(pages.values()) - {topic}
        assert f'href="/panel/help/{topic}/"' in client.get(page).content.decode()
        text = client.get(f"/panel/help/{topic}/").content.decode().partition("help-text")[2]
        assert f'see <a href="/panel/help/{other}/">' in text


def test_what_a_field_leads_to_says_what_the_form_says() -> None:
    (field,) = (
        one for one in helptopics.fields(TOPICS["settings.spool"]) if one.name == "retry_minutes"
    )
    assert field.standard.startswith("15, 30, 60") and "separated by commas" in field.text
    for topic in TOPICS.values():
        assert [one.name for one in helptopics.fields(topic) if not one.label] == []
    assert helptopics.url("settings.spool.nothing") == TOPICS["settings.spool"].url
    assert helptopics.url("nothing.at.all") == helptopics.url("") == ""


def test_links_inside_the_help_lead_somewhere(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    page = client.get(reverse("panel:help-index")).content.decode()
    links = set(re.findall(r'href="(/panel/help/[^"#]*)', page))
    assert len(links) == len(TOPICS) + 1
    assert all(client.get(link).status_code == 200 for link in links)


def test_the_help_is_searched_by_words(world: World, log_in: LogIn) -> None:
    client = log_in(world.user)
    page = client.get("/panel/help/", {"q": "patience sender"}).content.decode()
    assert 'href="/panel/help/settings.spool/"' in page.partition("row-cards")[0]
    page = client.get("/panel/help/", {"q": "<script>alert(1)</script>"}).content.decode()
    assert "No topic has all of these words" in page and "<script>alert" not in page


@pytest.mark.django_db(transaction=True)
def test_the_help_in_a_browser(visitor: Visitor) -> None:
    visitor.log_in(make_world().root)
    visitor.inspect("/panel/help/", "help")
    visitor.inspect("/panel/help/dns/", "help-dns")
    visitor.inspect("/panel/help/settings.spool/#patience_days", "help-field")
