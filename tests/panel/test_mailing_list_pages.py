"""Mailing lists in the panel: made, set, run by moderators; their subscribers; what waits."""

from __future__ import annotations

import io
import re

import pytest
from django.test import Client

from accounts.models import User
from domains import services as domain_services
from domains.models import DomainLimits
from events.models import AuditEntry
from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Subscriber
from tests.factories import make_user
from tests.panel.test_domain_pages import filled

pytestmark = pytest.mark.django_db

LISTS = "/panel/domain/own.example/lists/"
NEWS = "/panel/domain/own.example/list/news/"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture
def news(world) -> MailingList:
    return services.create_list(
        domain=world.own, local_part="news", by=None, moderators=["alice"],
        values={"description": "All that is new"},
    )  # fmt: skip


def subscribe(row: MailingList, *addresses: str) -> None:
    rows = [NewSubscriber(address) for address in addresses]
    membership.add_subscribers(mailing_list=row, rows=rows, by=None)


def text_of(answer) -> str:
    return answer.content.decode()


@pytest.mark.spec("L-001", "L-002")
def test_a_list_is_made_changed_and_deleted_when_its_name_is_typed(world, log_in):
    client = log_in(world.admin)
    data = filled(
        client, f"{LISTS}new/", general__name="News@own.example", general__description="All of it",
        general__moderators="alice", posting__allowed="@partner.example",
        posting__banned="rude@far.example", posting__post_password="sesame",
    )  # fmt: skip
    assert client.post(f"{LISTS}new/", data).status_code == 302
    row = MailingList.objects.get()
    assert (row.local_part, row.posting, row.bounce_limit) == ("news", "subscribers", 5)
    assert services.rules_of(row) == ["allow @partner.example", "ban rude@far.example"]
    page = text_of(client.get(LISTS))
    for words in ("news@own.example", "All of it", "alice", "0<span"):
        assert words in page
    shown = text_of(client.get(NEWS))
    assert "sesame" not in shown and row.post_password not in shown
    data = filled(client, NEWS, texts__subject_prefix="[news]", posting__posting="moderators")
    assert client.post(NEWS, data).status_code == 302
    row.refresh_from_db()
    assert (row.subject_prefix, row.posting, row.version) == ("[news]", "moderators", 2)
    assert row.post_password  # left empty, it stays
    assert "Somebody else saved" in text_of(client.post(NEWS, data))
    client.post(NEWS, filled(client, NEWS, posting__no_password="on"))
    assert MailingList.objects.get().post_password == ""
    asked = client.post(f"{LISTS}delete/", {"selected": ["news"]})
    assert "Type <strong>news@own.example</strong>" in text_of(asked)
    client.post(f"{LISTS}delete/", {"selected": ["news"], "confirmation": "news"})
    assert MailingList.objects.exists()
    client.post(f"{LISTS}delete/", {"selected": ["news"], "confirmation": "news@own.example"})
    assert not MailingList.objects.exists()
    kept = AuditEntry.objects.filter(object_type="mailinglists.mailinglist")
    assert "sesame" not in str(list(kept.values()))


def test_what_cannot_be_is_told_at_its_field(world, news, log_in):
    client = log_in(world.admin)
    for name, value, words in (
        ("general__name", "alice", "is taken by a user"),
        ("general__name", "news-request", "is taken"),
        ("general__name", "x y", "name"),
        ("general__moderators", "nobody", "There is no user “nobody” in this domain"),
        ("posting__banned", "no address", "is neither an address nor @domain"),
        ("delivery__bounce_limit", "0", "greater than or equal to 1"),
        ("texts__subject_prefix", "x" * 61, "at most 60"),
    ):
        data = filled(client, f"{LISTS}new/", **{"general__name": "other", name: value})
        assert words in text_of(client.post(f"{LISTS}new/", data)), (name, value)
    assert MailingList.objects.count() == 1


@pytest.mark.spec("L-011", "U-005")
def test_a_moderator_sets_texts_and_moderation_of_his_lists_and_nothing_else(world, news, log_in):
    other = services.create_list(domain=world.own, local_part="board", by=None)
    client = log_in(world.user)
    page = text_of(client.get("/panel/my-lists/"))
    assert "news@own.example" in page and "board@own.example" not in page
    assert "/panel/my-lists/" in text_of(client.get("/panel/"))
    form = client.get(NEWS).context["tabbed"]
    names = {name for tab in form for name in tab.form.fields}
    assert names == {
        "description", "subject_prefix", "header_text", "footer_text", "welcome_text",
        "goodbye_text", "help_text", "is_moderated", "allowed", "banned", "post_password",
    }  # fmt: skip
    forged = filled(
        client, NEWS, texts__footer_text="Bye", moderation__is_moderated="on",
        posting__posting="anyone", general__moderators="admin", general__maximum_post_kb="1",
    )  # fmt: skip
    assert client.post(NEWS, forged).status_code == 302
    news.refresh_from_db()
    assert (news.footer_text, news.is_moderated, news.posting) == ("Bye", True, "subscribers")
    assert (services.moderator_names(news), news.maximum_post_kb) == (["alice"], 0)
    for url in (NEWS.replace("news", "board"), LISTS, f"{LISTS}new/"):
        assert client.get(url).status_code in (403, 404)
    assert client.post(f"{LISTS}delete/", {"selected": ["news"]}).status_code == 403
    assert MailingList.objects.filter(pk=other.pk).exists()
    # Who moderates nothing any more finds nothing.
    services.set_moderators(mailing_list=news, usernames=[], by=None)
    assert client.get(NEWS).status_code == 404
    assert "/panel/my-lists/" not in text_of(client.get("/panel/"))


@pytest.mark.spec("D-070", "D-012")
def test_lists_that_are_switched_off_are_greyed_out_and_closed(world, news, log_in):
    root = log_in(world.root)
    assert f'href="{LISTS}"' in text_of(root.get("/panel/domains/"))
    domain_services.change_tab(
        domain=world.own, tab="features", values={"mailing_lists": False}, by=None
    )
    for page in ("/panel/domains/", "/panel/domain/own.example/users/"):
        shown = text_of(root.get(page))
        assert f'href="{LISTS}"' not in shown
        assert "Switched off for this domain" in shown and "Mailing lists" in shown
    for who in (world.admin, world.user):
        client = log_in(who)
        assert client.get(NEWS).status_code == 403
        page = text_of(client.get("/panel/"))
        assert LISTS not in page and "/panel/my-lists/" not in page
    assert log_in(world.admin).get(LISTS).status_code == 403
    assert "switched off" in text_of(root.get(LISTS))
    assert MailingList.objects.exists()


@pytest.mark.spec("D-087")
def test_lists_stop_at_the_limit_of_their_domain(world, news, log_in):
    DomainLimits.objects.filter(domain=world.own).update(mailing_lists=1)
    client = log_in(world.admin)
    page = text_of(client.get(LISTS))
    assert "The limit of 1 mailing list is reached (1 in use)." in page
    data = filled(client, f"{LISTS}new/", general__name="more")
    assert "is reached" in text_of(client.post(f"{LISTS}new/", data))
    edit = text_of(log_in(world.root).get("/panel/domain/own.example/"))
    assert re.search(r"Mailing lists</td><td[^>]*>1</td><td>1</td>", edit)


@pytest.mark.spec("L-012")
def test_subscribers_are_added_searched_changed_suspended_and_removed(world, news, log_in):
    client = log_in(world.user)
    added = {
        "addresses": "ann@far.example\nBob B <bob@far.example>\n\nno address\nANN@far.example",
        "mode": "digest", "confirmed": "on",
    }  # fmt: skip
    page = text_of(client.post(f"{NEWS}subscribers/add/", added, follow=True))
    assert "Added 2 subscribers." in page and "no address" in page
    bob = Subscriber.objects.get(key="bob@far.example")
    assert (bob.name, bob.mode, bob.state) == ("Bob B", "digest", "active")
    found = text_of(client.get(f"{NEWS}subscribers/?q=bob"))
    assert "bob@far.example" in found and "ann@far.example" not in found
    assert "No subscribers match" in text_of(client.get(f"{NEWS}subscribers/?show=suspended"))
    url = f"{NEWS}subscribers/{bob.pk}/"
    assert client.post(url, {"name": "Robert", "mode": "standard"}).status_code == 302
    bob.refresh_from_db()
    assert (bob.name, bob.mode) == ("Robert", "standard")
    client.post(f"{NEWS}subscribers/suspend/", {"selected": [bob.pk]})
    bob.refresh_from_db()
    assert bob.state == "suspended"
    assert "bob@" in text_of(client.get(f"{NEWS}subscribers/?show=suspended"))
    client.post(f"{NEWS}subscribers/resume/", {"only": bob.pk})
    bob.refresh_from_db()
    assert bob.state == "active"
    asked = client.post(f"{NEWS}subscribers/remove/", {"selected": [bob.pk]})
    assert "bob@far.example" in text_of(asked) and Subscriber.objects.count() == 2
    yes = {"selected": [bob.pk], "confirmation": "yes"}
    client.post(f"{NEWS}subscribers/remove/", yes)
    assert list(Subscriber.objects.values_list("key", flat=True)) == ["ann@far.example"]
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"added subscribers", "removed subscribers", "suspended subscriber"} <= verbs


@pytest.mark.spec("L-012")
def test_whoever_has_not_agreed_is_asked_by_mail_and_confirms_by_its_word(
    world, news, log_in, mailoutbox
):
    client = log_in(world.admin)
    given = {"addresses": "ann@far.example", "mode": "standard"}
    page = text_of(client.post(f"{NEWS}subscribers/add/", given, follow=True))
    assert "Wrote to 1 subscriber" in page
    assert Subscriber.objects.get().state == "unconfirmed"
    (message,) = mailoutbox
    assert message.to == ["ann@far.example"]
    word = re.search(r"confirm (\S+)", message.body)[1]
    stranger = Client(enforce_csrf_checks=True)
    asked = stranger.get(f"/panel/confirm/{word}/")
    assert "Subscribe to news@own.example?" in text_of(asked)
    assert Subscriber.objects.get().state == "unconfirmed"  # looking changes nothing
    assert stranger.post(f"/panel/confirm/{word}/").status_code == 403  # not from this page
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text_of(asked))[1]
    done = stranger.post(f"/panel/confirm/{word}/", {"csrfmiddlewaretoken": token})
    assert "is subscribed to news@own.example" in text_of(done)
    assert Subscriber.objects.get().state == "active"
    assert stranger.get(f"/panel/confirm/{word}/").status_code == 404  # once


@pytest.mark.spec("L-012")
def test_a_file_of_subscribers_goes_out_and_comes_in_again(world, news, log_in):
    client = log_in(world.user)
    content = b"Email;Name\nann@far.example;=1+1\nnobody\nbob@far.example;Bob\n"
    sent = {"file": io.BytesIO(content), "confirmed": "on"}
    page = text_of(client.post(f"{NEWS}subscribers/import/", sent))
    assert "Added 2 subscribers." in page and "nobody" in page
    answer = client.get(f"{NEWS}subscribers/export/")
    assert answer.streaming and "attachment" in answer["Content-Disposition"]
    file = b"".join(part if isinstance(part, bytes) else part.encode() for part in answer)
    assert b"'=1+1" in file  # no formula for spreadsheets
    assert AuditEntry.objects.get(verb="exported subscribers").actor == "alice@own.example"
    Subscriber.objects.all().delete()
    client.post(f"{NEWS}subscribers/import/", {"file": io.BytesIO(file), "confirmed": "on"})
    assert Subscriber.objects.get(key="ann@far.example").name == "=1+1"
    broken = client.post(f"{NEWS}subscribers/import/", {"file": io.BytesIO(b"\xff\xfe\0")})
    assert "not UTF-8" in text_of(broken)


def test_pages_of_subscribers_go_by_their_addresses_and_cost_the_same(world, news, log_in):
    rows = [NewSubscriber(f"a{number:04}@far.example") for number in range(130)]
    membership.add_subscribers(mailing_list=news, rows=rows, by=None)
    client, url, seen = log_in(world.admin), f"{NEWS}subscribers/", []
    while url:
        page = text_of(client.get(url))
        seen.append(re.findall(r">(a\d+)@far\.example<", page))
        found = re.search(r'href="(\?after=[^"]+)"', page)
        url = f"{NEWS}subscribers/{found[1]}".replace("&amp;", "&") if found else ""
    assert [len(part) for part in seen] == [50, 50, 30]
    assert sum(seen, []) == [f"a{number:04}" for number in range(130)]
    back = re.search(r'href="(\?before=[^"]+)"', page)[1]
    page = text_of(client.get(f"{NEWS}subscribers/{back}"))
    assert re.findall(r">(a\d+)@far\.example<", page) == seen[1]
    everything = {"all_matching": "1", "confirmation": "remove 130"}
    client.post(f"{NEWS}subscribers/remove/", {"all_matching": "1"})
    assert Subscriber.objects.count() == 130
    client.post(f"{NEWS}subscribers/remove/", everything)
    assert not Subscriber.objects.exists()


def test_requests_of_other_sites_change_nothing(world, news):
    subscribe(news, "ann@far.example")
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.admin)
    key = "0000000000001"
    for url in (
        f"{LISTS}new/", f"{LISTS}delete/", NEWS, f"{NEWS}subscribers/add/",
        f"{NEWS}subscribers/import/", f"{NEWS}subscribers/remove/", f"{NEWS}subscribers/suspend/",
        f"{NEWS}subscribers/resume/", f"{NEWS}posts/{key}/approve/", f"{NEWS}posts/{key}/refuse/",
    ):  # fmt: skip
        assert client.post(url, {"selected": ["news"]}).status_code == 403, url
    assert MailingList.objects.exists()


def test_nobody_reaches_the_lists_of_others(world, news, log_in):
    subscribe(news, "ann@far.example")
    stranger = User.objects.get(domain=world.other, local_part="alice")
    number, key = Subscriber.objects.get().pk, "0000000000001"
    colleague = make_user(world.own, "bob")
    for who in (world.other_admin, world.other_reseller, stranger, colleague):
        client = log_in(who)
        for url in (
            NEWS, f"{NEWS}subscribers/", f"{NEWS}subscribers/export/",
            f"{NEWS}subscribers/{number}/", f"{NEWS}posts/", f"{NEWS}posts/{key}/",
        ):  # fmt: skip
            assert client.get(url).status_code == 404, (who, url)
        assert client.post(f"{NEWS}posts/{key}/approve/").status_code == 404
    # Nor those of another list by the address of one's own.
    other = services.create_list(domain=world.other, local_part="news", by=None)
    foreign = "/panel/domain/other.example/list/news/"
    client = log_in(world.other_admin)
    assert client.get(f"{foreign}posts/{key}/").status_code == 404
    assert client.get(f"{foreign}subscribers/{number}/").status_code == 404
    client.post(f"{foreign}subscribers/remove/", {"selected": [number], "confirmation": "yes"})
    assert Subscriber.objects.exists() and other.subscribers.count() == 0


def test_what_strangers_wrote_is_text_and_nothing_else(world, news, log_in):
    values = {"description": HOSTILE[:200], "footer_text": HOSTILE}
    services.change_list(mailing_list=news, values=values, by=None)
    new = NewSubscriber('"<b>x</b>"@far.example', HOSTILE)
    membership.add_subscribers(mailing_list=news, rows=[new], by=None)
    number = Subscriber.objects.get().pk
    client = log_in(world.admin)
    for url in (LISTS, NEWS, f"{NEWS}subscribers/", f"{NEWS}subscribers/{number}/"):
        page = text_of(client.get(url))
        assert "<script>alert" not in page and "<b>x</b>" not in page and "<img src=x" not in page


def test_changes_can_be_taken_back(world, news, log_in):
    client = log_in(world.admin)

    def undo(page: str) -> None:
        operation = re.findall(r'name="operation" value="([0-9a-f]+)"', page)[-1]
        client.post("/panel/audit/undo/", {"operation": operation})

    data = filled(
        client, NEWS, general__description="Other", general__moderators="",
        posting__banned="@far.example",
    )  # fmt: skip
    page = text_of(client.post(NEWS, data, follow=True))
    news.refresh_from_db()
    assert (news.description, services.rules_of(news)) == ("Other", ["ban @far.example"])
    undo(page)
    news.refresh_from_db()
    assert (news.description, services.rules_of(news)) == ("All that is new", [])
    assert services.moderator_names(news) == ["alice"]
    added = {"addresses": "ann@far.example", "mode": "standard", "confirmed": "on"}
    undo(text_of(client.post(f"{NEWS}subscribers/add/", added, follow=True)))
    assert not Subscriber.objects.exists()
    data = filled(client, f"{LISTS}new/", general__name="more")
    undo(text_of(client.post(f"{LISTS}new/", data, follow=True)))
    assert MailingList.objects.get() == news
