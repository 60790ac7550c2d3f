"""Posts that wait for a moderator, in the panel; and how the pages of lists look."""

from __future__ import annotations

import pytest

from blobs import committer
from blobs.ids import encode_id
from events.models import AuditEntry
from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import HeldPost, MailingList, Post, Subscriber
from tests.mailinglists.test_moderator_mail import hold
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = "/panel/domain/own.example/lists/"
NEWS = "/panel/domain/own.example/list/news/"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture
def world(transactional_db) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def _committed():
    yield
    committer.stop_process_committer()


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


@pytest.mark.spec("L-005")
def test_a_post_that_waits_is_looked_at_and_let_go_out(world, news, log_in):
    held = hold(news, HOSTILE, text=HOSTILE)
    client, url = log_in(world.user), f"{NEWS}posts/{encode_id(held.pk)}/"
    for page in (text_of(client.get(f"{NEWS}posts/")), text_of(client.get(url))):
        assert "alert(1)" in page and "<script>alert" not in page and "<img src=x" not in page
    looked = AuditEntry.objects.get(verb="viewed held post")
    assert looked.object_name == "news@own.example"
    assert client.get(f"{url}approve/").status_code == 405
    assert client.post(f"{url}approve/").status_code == 302
    assert not HeldPost.objects.exists()
    assert Post.objects.get().approved_by
    assert client.post(f"{url}approve/").status_code == 404


@pytest.mark.spec("L-005")
def test_a_post_is_refused_with_words_or_without(world, news, log_in, mailoutbox):
    for text, count in (("Not here, please.", 1), ("", 1)):
        held = hold(news, "Offer")
        client, url = log_in(world.admin), f"{NEWS}posts/{encode_id(held.pk)}/refuse/"
        assert "Offer" in text_of(client.get(url))
        assert client.post(url, {"text": text}).status_code == 302
        assert not HeldPost.objects.exists() and len(mailoutbox) == count
    assert "Not here, please." in mailoutbox[0].body


def test_nobody_decides_about_the_posts_of_others(world, news, log_in):
    held = hold(news)
    services.create_list(domain=world.other, local_part="news", by=None)
    key = encode_id(held.pk)
    for who, domain in (
        (world.other_admin, "own"), (world.other_admin, "other"), (world.other_reseller, "own"),
    ):  # fmt: skip
        url = f"/panel/domain/{domain}.example/list/news/posts/{key}/"
        client = log_in(who)
        assert client.get(url).status_code == 404
        assert client.post(f"{url}approve/").status_code == 404
        assert client.post(f"{url}refuse/", {"text": "x"}).status_code == 404
    assert HeldPost.objects.exists()


@pytest.mark.browser
def test_the_pages_read_well_everywhere(world, news, visitor):
    services.create_list(
        domain=world.own, local_part="members-of-the-board", by=None,
        values={"is_public": True, "is_moderated": True, "description": "Those who decide"},
    )  # fmt: skip
    subscribe(news, "ann@far.example", "a.very.long.address.of.somebody@subdomain.far.example")
    membership.suspend(subscriber=Subscriber.objects.first(), by=None)
    held = hold(news, "A post of somebody who may not write here by himself")
    number, key = Subscriber.objects.first().pk, encode_id(held.pk)
    window = visitor.log_in(world.admin)
    window.inspect(LISTS, "lists")
    window.inspect(f"{LISTS}new/", "list-new")
    window.inspect(NEWS, "list")
    window.inspect(f"{NEWS}subscribers/", "list-subscribers")
    window.inspect(f"{NEWS}subscribers/{number}/", "list-subscriber")
    window.inspect(f"{NEWS}subscribers/add/", "list-subscribers-add")
    window.inspect(f"{NEWS}subscribers/import/", "list-subscribers-import")
    window.inspect(f"{NEWS}posts/", "list-posts")
    window.inspect(f"{NEWS}posts/{key}/", "list-post")
    window.inspect(f"{NEWS}posts/{key}/refuse/", "list-post-refuse")
    window = visitor.log_in(world.user)
    window.inspect("/panel/my-lists/", "my-lists")
    window.inspect(NEWS, "list-of-moderator")
