"""Links in mail of lists, opened by people without an account: leaving, and deciding on posts."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from blobs import committer
from clock.moments import utc_now
from events.models import AuditEntry
from mailinglists import links, membership, services, signedids, tokens
from mailinglists.membership import NewSubscriber
from mailinglists.models import HeldPost, MailingList, Post, Subscriber, Token
from tests.factories import make_domain
from tests.mailinglists.test_moderator_mail import hold

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()
    yield
    committer.stop_process_committer()


@pytest.fixture
def news() -> MailingList:
    domain = make_domain("one.example", "bob")
    row = services.create_list(
        domain=domain, local_part="news", by=None, moderators=["bob"],
        values={"goodbye_text": "So long."},
    )  # fmt: skip
    rows = [NewSubscriber("ann@far.example"), NewSubscriber("bea@far.example")]
    membership.add_subscribers(mailing_list=row, rows=rows, by=None)
    return row


def path_of(address: str) -> str:
    """As List-Unsubscribe has it."""
    url = links.one_click_url(Subscriber.objects.get(key=address).pk)
    return url[url.index("/panel/") :]


def stranger() -> Client:
    return Client(enforce_csrf_checks=True)


def text_of(answer) -> str:
    return answer.content.decode()


@pytest.mark.spec("L-007")
def test_one_click_unsubscribes_without_log_in_cookie_or_question(news):
    path = path_of("ann@far.example")
    answer = stranger().post(path, ONE_CLICK)
    assert answer.status_code == 200 and "So long." in text_of(answer)
    assert list(Subscriber.objects.values_list("key", flat=True)) == ["bea@far.example"]
    entry = AuditEntry.objects.get(verb="unsubscribed")
    assert str(entry.actor) == "ann@far.example"
    # Programs may try again, and learn nothing by it.
    again = stranger().post(path, ONE_CLICK)
    assert again.status_code == 200 and "You get nothing more" in text_of(again)


@pytest.mark.spec("L-007")
def test_whoever_only_looks_is_asked_and_stays(news):
    path = path_of("ann@far.example")
    page = stranger().get(path)
    assert page.status_code == 200
    assert "Unsubscribe from news@one.example?" in text_of(page)
    assert "ann@far.example" in text_of(page) and "bea@" not in text_of(page)
    assert page["Referrer-Policy"] == "no-referrer" and page["X-Robots-Tag"] == "noindex"
    assert "no-store" in page["Cache-Control"]
    assert stranger().head(path).status_code == 200
    assert Subscriber.objects.count() == 2
    assert stranger().put(path).status_code == 405


@pytest.mark.spec("L-007")
def test_a_word_that_is_not_ours_takes_nobody_off_and_tells_nothing(news):
    number = Subscriber.objects.get(key="ann@far.example").pk
    right = signedids.link_word(number)
    forged = right[:-1] + ("0" if right[-1] != "0" else "1")
    answers = set()
    for word in (forged, right[:13], "x", right[:13] + "0" * 20, HOSTILE.replace("/", "")):
        answer = stranger().post(f"/panel/unsubscribe/{word}/", ONE_CLICK)
        answers.add((answer.status_code, text_of(answer)))
        assert "alert(1)" not in text_of(stranger().get(f"/panel/unsubscribe/{word}/"))
    assert len(answers) == 1 and Subscriber.objects.count() == 2
    # The word of a return path is another one.
    returned = signedids.return_path("news", "one.example", number)
    word = returned.partition("+")[2].partition("@")[0]
    stranger().post(f"/panel/unsubscribe/{word}/", ONE_CLICK)
    assert Subscriber.objects.count() == 2


@pytest.mark.spec("L-007")
def test_who_tries_words_out_has_to_wait(news, monkeypatch):
    monkeypatch.setattr("panel.views.listlinks.MADE_UP_PER_MINUTE", 3)
    client, path = stranger(), path_of("ann@far.example")
    for _ in range(5):  # a mail provider asks for many people
        assert client.get(path).status_code == 200
    for _ in range(3):
        assert client.post("/panel/unsubscribe/x/", ONE_CLICK).status_code == 200
    answer = client.post(path, ONE_CLICK)
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert Subscriber.objects.count() == 2
    assert client.post(path, ONE_CLICK, REMOTE_ADDR="192.0.2.7").status_code == 200
    assert Subscriber.objects.count() == 1


@pytest.mark.spec("L-012", "L-038")
def test_a_word_by_mail_confirms_once_what_it_was_made_for(news):
    now = utc_now()
    word = membership.unsubscribe_requested(mailing_list=news, address="bea@far.example", now=now)
    client = Client()
    assert "Unsubscribe from news@one.example?" in text_of(client.get(f"/panel/confirm/{word}/"))
    assert Subscriber.objects.count() == 2
    assert "So long." in text_of(client.post(f"/panel/confirm/{word}/"))
    assert not Subscriber.objects.filter(key="bea@far.example").exists()
    assert client.post(f"/panel/confirm/{word}/").status_code == 404
    old = membership.unsubscribe_requested(mailing_list=news, address="ann@far.example", now=now)
    Token.objects.filter(used_at=None).update(expires_at=now)
    assert client.post(f"/panel/confirm/{old}/").status_code == 404
    assert Subscriber.objects.filter(key="ann@far.example").exists()


def moderators_word(post: HeldPost) -> str:
    return tokens.make(
        mailing_list=post.mailing_list, purpose=Token.Purpose.MODERATE, held_post=post,
        address="bob@one.example", now=utc_now(),
    )  # fmt: skip


@pytest.mark.spec("L-005")
def test_a_moderator_decides_by_the_link_that_was_mailed_to_him(news):
    held = hold(news, HOSTILE, text=HOSTILE)
    path = f"/panel/moderate/{moderators_word(held)}/"
    page = text_of(stranger().get(path))
    assert "alert(1)" in page and "<script>alert" not in page and "<img src=x" not in page
    assert stranger().post(path, {"verb": "approve"}).status_code == 403  # not from this page
    assert HeldPost.objects.exists()
    client = Client()
    assert client.post(path, {"verb": "x"}).status_code == 400
    assert "goes out" in text_of(client.post(path, {"verb": "approve"}))
    assert not HeldPost.objects.exists()
    assert Post.objects.get().approved_by == "bob@one.example"
    assert client.get(path).status_code == 404  # decided once


@pytest.mark.spec("L-005")
def test_a_refusal_by_link_is_told_to_the_author(news, mailoutbox):
    held = hold(news, "Offer")
    path = f"/panel/moderate/{moderators_word(held)}/"
    answer = Client().post(path, {"verb": "refuse", "text": "Not here."})
    assert "Its author is told why." in text_of(answer)
    assert not HeldPost.objects.exists() and not Post.objects.exists()
    (message,) = mailoutbox
    assert message.to == ["stranger@one.example"] and "Not here." in message.body


@pytest.mark.spec("L-005")
def test_words_are_good_for_nothing_else(news):
    held = hold(news)
    client, word = Client(), moderators_word(held)
    assert client.post(f"/panel/confirm/{word}/").status_code == 404
    leave = membership.unsubscribe_requested(
        mailing_list=news, address="ann@far.example", now=utc_now()
    )
    assert client.post(f"/panel/moderate/{leave}/", {"verb": "approve"}).status_code == 404
    assert HeldPost.objects.exists() and Subscriber.objects.count() == 2


@pytest.mark.browser
def test_the_pages_behind_links_read_well_everywhere(news, visitor):
    held = hold(news, "A post of somebody who may not write here by himself")
    visitor.inspect(path_of("ann@far.example"), "link-unsubscribe")
    leave = membership.unsubscribe_requested(
        mailing_list=news, address="ann@far.example", now=utc_now()
    )
    visitor.inspect(f"/panel/confirm/{leave}/", "link-confirm")
    visitor.inspect("/panel/unsubscribe/nonsense/", "link-over")
    visitor.inspect(f"/panel/moderate/{moderators_word(held)}/", "link-moderate")
