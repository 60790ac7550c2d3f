"""Digests as rows and bytes: made when due, once, of all that waits (L-010)."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import transaction

from blobs import committer
from blobs.committer import Job, process_committer
from blobs.ids import new_id
from blobs.models import Blob
from blobs.segment import NewRecord
from blobs.store import locate, new_body, read_body
from clock.moments import utc_now
from mailinglists import digests, membership, posts, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Mode, Post
from tests.factories import make_domain

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True, eq=False)
class Keep(Job):
    """A post as the agent leaves it: changed, and kept for the digest."""

    post: Post

    @staticmethod
    def write_rows(jobs, cursor):
        for job in jobs:
            job.post.blob_id = job.records[0].blob_id
            job.post.save(force_insert=True)


def accept(row, subject, *, text="Hello", finished=True):
    message = f"From: anne@far.example\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()
    body = new_body()
    body.write(message)
    now = utc_now()
    post = Post(
        id=new_id(),
        mailing_list=row,
        subject=subject,
        size_bytes=len(message),
        accepted_at=now,
        finished_at=now if finished else None,
    )
    record = NewRecord(blob_id=new_id(), meta=b"", facts=b"", body=body)
    process_committer().commit_now(Keep(post=post, records=[record]))
    return post


@pytest.fixture
def news():
    domain = make_domain("one.example")
    values = {"digest_hours": 24, "digest_messages": 2, "digest_kb": 0, "subject_prefix": "[news]"}
    row = services.create_list(domain=domain, local_part="news", values=values, by=None)
    people = [NewSubscriber("d@far.example", "", Mode.DIGEST), NewSubscriber("s@far.example")]
    membership.add_subscribers(mailing_list=row, rows=people, by=None)
    yield row
    committer.stop_process_committer()


def read(post):
    raw = read_body(locate([post.blob_id])[post.blob_id])
    return email.message_from_bytes(raw, policy=email.policy.default)


def references(post):
    return Blob.objects.get(pk=post.blob_id).references


@pytest.mark.spec("L-010")
def test_a_digest_is_made_of_as_many_posts_as_the_list_says(news):
    first, second = accept(news, "One"), accept(news, "Two")
    third = accept(news, "Three")
    assert digests.make_due(now=utc_now() + LATER) == 1
    made = Post.objects.get(mode=Mode.DIGEST)
    assert (made.finished_at, made.subscribers, made.blob_id is None) == (None, 1, False)
    message = read(made)
    assert message["Subject"] == "[news] news Digest, Issue 1"
    assert message["List-Id"] == "<news.one.example>"
    assert message["Reply-To"] == "news@one.example"
    assert message["Precedence"] == "list"
    assert message["Auto-Submitted"] == "auto-generated"
    plain = message.get_body(("plain",)).get_content()
    assert "1. One" in plain and "2. Two" in plain and "Three" not in plain
    news.refresh_from_db()
    assert (news.digest_number, news.digested_up_to) == (1, second.pk)
    assert references(made) == 1
    third.refresh_from_db()
    assert third.blob_id is not None and first.pk < second.pk


@pytest.mark.spec("L-010")
def test_nothing_stands_in_two_digests(news):
    for subject in ("One", "Two", "Three", "Four"):
        accept(news, subject)
    assert digests.make_due(now=utc_now() + LATER) == 2
    assert digests.make_due(now=utc_now() + LATER) == 0
    first, second = Post.objects.filter(mode=Mode.DIGEST).order_by("pk")
    assert "One" in first_plain(first) and "Three" not in first_plain(first)
    assert "Three" in first_plain(second) and "One" not in first_plain(second)
    assert read(second)["Subject"].endswith("Issue 2")


def first_plain(post):
    return read(post).get_body(("plain",)).get_content()


@pytest.mark.spec("L-010")
def test_of_two_processes_one_makes_the_digest(news):
    """Each has read the list and put the digest together before the other is done."""
    accept(news, "One"), accept(news, "Two")
    now = utc_now() + LATER
    jobs = []
    for _ in range(2):
        row = MailingList.objects.select_related("domain").get(pk=news.pk)
        ids = list(Post.objects.values_list("pk", flat=True))
        post, record = digests._compose(row, ids, now)
        jobs.append(
            digests.MakeDigest(
                mailing_list=row, up_to=max(ids), now=now, post=post, records=[record]
            )
        )
    process_committer().commit_now(jobs[0])
    with pytest.raises(digests.MadeAlready):
        process_committer().commit_now(jobs[1])
    made = Post.objects.get(mode=Mode.DIGEST)
    assert made.pk == jobs[0].post.pk
    assert not Blob.objects.filter(pk=jobs[1].records[0].blob_id).exists()


@pytest.mark.spec("L-010")
def test_a_process_that_dies_in_the_middle_leaves_nothing_half_done(news, monkeypatch):
    accept(news, "One"), accept(news, "Two")

    def die(*_args, **_values):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Post, "save", die)
        assert digests.make_due(now=utc_now() + LATER) == 0
    news.refresh_from_db()
    assert (news.digest_number, news.digested_up_to) == (0, 0)
    assert not Post.objects.filter(mode=Mode.DIGEST).exists()
    assert digests.make_due(now=utc_now() + LATER) == 1


@pytest.mark.spec("L-010")
def test_time_and_size_make_a_digest_too(news):
    accept(news, "One")
    assert digests.make_due(now=utc_now() + LATER) == 0
    assert digests.make_due(now=utc_now() + timedelta(hours=25)) == 1
    values = {"digest_hours": 0, "digest_messages": 0, "digest_kb": 2}
    services.change_list(mailing_list=news, values=values, by=None)
    accept(news, "Two", text="x" * 1000)
    assert digests.make_due(now=utc_now() + timedelta(hours=25)) == 0
    accept(news, "Three", text="x" * 1100)
    assert digests.make_due(now=utc_now() + LATER) == 1


def test_a_post_that_has_just_come_waits_for_those_that_came_with_it(news):
    accept(news, "One"), accept(news, "Two")
    assert digests.make_due(now=utc_now()) == 0
    assert digests.make_due(now=utc_now() + LATER) == 1


def test_posts_let_go_of_their_bytes_once_they_stand_in_a_digest(news):
    done, sending = accept(news, "One"), accept(news, "Two", finished=False)
    blob_id = done.blob_id
    assert posts.release_done() == 0
    digests.make_due(now=utc_now() + LATER)
    assert posts.release_done() == 1
    done.refresh_from_db(), sending.refresh_from_db()
    assert done.blob_id is None
    assert Blob.objects.get(pk=blob_id).references == 0
    assert references(sending) == 1


def test_without_readers_there_is_no_digest_and_nothing_stays_behind(news):
    membership.remove_subscribers(mailing_list=news, addresses=["d@far.example"], by=None)
    post = accept(news, "One")
    accept(news, "Two")
    assert digests.make_due(now=utc_now() + LATER) == 0
    posts.release_done()
    post.refresh_from_db()
    assert post.blob_id is None
    news.refresh_from_db()
    assert news.digest_number == 0
    assert not Post.objects.filter(mode=Mode.DIGEST).exists()


def test_a_disabled_domain_makes_none(news):
    accept(news, "One"), accept(news, "Two")
    with transaction.atomic():
        news.domain.is_disabled = True
        news.domain.save(update_fields=["is_disabled"])
    assert digests.make_due(now=utc_now() + LATER) == 0
