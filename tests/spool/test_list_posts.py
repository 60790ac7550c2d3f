"""Posts to mailing lists on their way to the subscribers (L-003…L-015)."""

import email
import email.policy

import pytest

from blobs.committer import process_committer
from clock.moments import utc_now
from domains import services as domain_services
from domains.models import DomainPriority
from events.models import Occurrence
from mailboxes.models import Message
from mailboxes.verify import verify_references
from mailinglists import membership, moderation, posts, services, signedids
from mailinglists.errors import HeldPostUnknown
from mailinglists.models import HeldPost, MailingList, Post
from spool import telling, trace
from spool.lists import distribution
from spool.models import Origin, SpooledMessage, SpooledRecipient, State
from spool.references import count_references
from tests import factories
from tests.memories import forget_everything
from tests.sinks import Sink
from tests.spool import listed
from tests.spool.listed import AUTHOR, LIST, has_ended, post_of
from tests.spool.outgoing import in_thread, running_manager, settled, submit, until
from tests.spool.test_signatures import signing_domain, verify

pytestmark = pytest.mark.django_db(transaction=True)
KIM = "kim@far.test"


@pytest.fixture(autouse=True)
def _memories(fresh_spool):
    forget_everything()


def told(spool_id):
    message = SpooledMessage.objects.get(pk=spool_id)
    return telling.tell(trace.trace(message), now=utc_now())


def parsed(taken):
    return email.message_from_bytes(taken.body, policy=email.policy.default)


def by_recipient(sink):
    return {taken.rcpts[0].split("<")[1].split(">")[0]: taken for taken in sink.taken}


async def posted(far_dns, body=None, **given):
    """Run until everybody has it; what the sink took, by recipient."""
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await in_thread(listed.post)(body, **given)
        await until(has_ended)
    return spool_id, by_recipient(sink)


async def taken(far_dns, body=None, **given):
    """Run until the list has taken it, which posts nothing; the state of the list's recipient."""
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await in_thread(listed.post)(body, **given)
        states = await settled(spool_id)
        await until(lambda: not SpooledMessage.objects.filter(finished_at=None).exists())
    assert not await in_thread(Post.objects.exists)()
    return spool_id, states[given.get("to", LIST)], by_recipient(sink)


def references_left():
    """What points at bodies, and where a count of that is wrong."""
    return count_references(0, 2**63 - 1), verify_references(count_references)


@pytest.mark.spec("L-003")
async def test_a_post_reaches_every_subscriber_under_a_sender_of_his_own(far_dns):
    await in_thread(listed.make_list)(KIM, "lee@far.test", AUTHOR, "alice@one.example")
    spool_id, copies = await posted(far_dns)
    assert set(copies) == {KIM, "lee@far.test", AUTHOR}
    for address, one in copies.items():
        key = (await in_thread(listed.subscriber)(address)).pk
        path = signedids.return_path("news", "one.example", key)
        assert one.mail.split()[1] == f"FROM:<{path}>"
        assert parsed(one)["Precedence"] == "list"
    assert await in_thread(Message.objects.count)() == 1  # alice's
    row = await in_thread(Post.objects.get)()
    assert (row.copies, row.subscribers, row.author) == (4, 4, AUTHOR)
    story = await in_thread(told)(spool_id)
    assert f"it was posted to {LIST}, which then had 4 subscribers" in story


@pytest.mark.spec("L-003")
async def test_one_stored_body_serves_all_copies_and_goes_when_all_have_it(far_dns):
    await in_thread(listed.make_list)(AUTHOR, *(f"r{n}@far.test" for n in range(600)))
    async with Sink() as sink, running_manager(far_dns, port=sink.port, is_paused=True) as manager:
        await in_thread(listed.post)()
        manager.resume()
        await until(listed.is_posted)
        bodies = await in_thread(
            lambda: set(
                SpooledMessage.objects.filter(kind="list").values_list("blob_id", flat=True)
            )
        )()
        await until(has_ended, seconds=90)
    assert len(bodies - {None}) <= 1
    messages = SpooledMessage.objects.filter(kind="list")
    totals = messages.order_by("id").values_list("recipients_total", flat=True)
    assert await in_thread(lambda: list(totals))() == [250, 250, 101]
    assert len(sink.taken) == 601
    assert await in_thread(posts.release_done)() == 1
    assert await in_thread(references_left)() == ({}, [])


@pytest.mark.spec("L-003")
async def test_who_subscribes_after_a_post_does_not_get_it_and_who_is_suspended_neither(far_dns):
    row = await in_thread(listed.make_list)(KIM, "lee@far.test", AUTHOR)
    lee = await in_thread(listed.subscriber)("lee@far.test")
    await in_thread(membership.suspend)(subscriber=lee, by=None)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await in_thread(listed.post)()
        await settled(spool_id)
        await in_thread(listed.subscribe)(row, "late@far.test")
        await until(has_ended)
    assert set(by_recipient(sink)) == {KIM, AUTHOR}


@pytest.mark.spec("E-019")
async def test_an_accepted_post_is_an_event_once_with_what_it_was(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR)
    await posted(far_dns)
    (one,) = await in_thread(lambda: list(Occurrence.objects.filter(type="E-019")))()
    assert one.facts == {"list": LIST, "poster": AUTHOR, "subject": "Hello", "subscribers": 2}


@pytest.mark.spec("L-007")
async def test_copies_say_what_the_list_is_and_how_each_subscriber_leaves(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, description="All the news")
    hostile = "List-Unsubscribe: <https://evil.test/>\r\nList-Id: <x.evil.test>\r\n"
    _, copies = await posted(far_dns, post_of(more=hostile))
    message = parsed(copies[KIM])
    assert message["List-Id"] == "All the news <news.one.example>"
    assert message["List-Post"] == f"<mailto:{LIST}>"
    assert message["List-Help"] == "<mailto:news-request@one.example?subject=help>"
    assert message["List-Owner"] == "<mailto:news-owner@one.example>"
    assert message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    (leaving,) = message.get_all("List-Unsubscribe")
    url, mailto = leaving.replace(",", " ").split()
    assert mailto == "<mailto:news-unsubscribe@one.example>"
    word = url.rstrip("/>").rpartition("/")[2]
    assert (await in_thread(membership.find_linked)(word)).address == KIM
    other = parsed(copies[AUTHOR])["List-Unsubscribe"]
    assert other != leaving


@pytest.mark.spec("L-007", "L-009")
async def test_the_lists_domain_signs_each_copy_with_what_it_says_of_leaving(far_dns):
    domain = await in_thread(signing_domain)()
    await in_thread(listed.make_list)(KIM, AUTHOR, domain=domain, footer_text="Bye")
    _, copies = await posted(far_dns)
    for one in copies.values():
        assert await in_thread(verify)(one.body) == [True, True]
        assert b"list-unsubscribe:list-unsubscribe-post" in one.body.replace(b"\r\n\t", b"")
        forged = one.body.replace(b"/panel/unsubscribe/", b"/panel/elsewhere/")
        assert await in_thread(verify)(forged) == [False, False]


@pytest.mark.spec("L-007")
async def test_a_copy_that_is_converted_for_an_old_server_is_signed_as_it_leaves(far_dns):
    domain = await in_thread(signing_domain)()
    await in_thread(listed.make_list)(KIM, AUTHOR, domain=domain)
    body = post_of(
        more="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n",
        body="Grüße\r\n",
    )
    old = Sink(answers={"EHLO": b"250-sink\r\n250 PIPELINING"})
    async with old as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)(body)
        await until(has_ended)
    for one in sink.taken:
        assert one.body.isascii() and b"List-Unsubscribe:" in one.body
        assert await in_thread(verify)(one.body) == [True, True]


@pytest.mark.spec("L-008")
@pytest.mark.parametrize("policy", ["reject", "quarantine", "none", ""])
async def test_the_author_is_rewritten_where_his_domain_lets_nobody_else_send(far_dns, policy):
    if policy:
        far_dns.records["_dmarc.other.test", "TXT"] = [f'"v=DMARC1; p={policy}"']
    await in_thread(listed.make_list)(KIM, AUTHOR)
    spool_id, copies = await posted(far_dns, post_of(author=f"Kim Writer <{AUTHOR}>"))
    message = parsed(copies[KIM])
    if policy in ("reject", "quarantine"):
        assert message["From"] == f"Kim Writer via news <{LIST}>"
        assert message["Reply-To"] == f"Kim Writer <{AUTHOR}>"
        assert "DMARC" in await in_thread(told)(spool_id)
    else:
        assert message["From"] == f"Kim Writer <{AUTHOR}>"
        assert message["Reply-To"] is None


@pytest.mark.spec("L-008")
async def test_a_parents_policy_for_subdomains_counts_but_never_that_of_a_top_level(far_dns):
    far_dns.records["_dmarc.test", "TXT"] = ['"v=DMARC1; p=reject"']  # one label: nobody's to say
    far_dns.records["_dmarc.other.test", "TXT"] = ['"v=DMARC1; p=none; sp=reject"']
    await in_thread(listed.make_list)(KIM, "x@sub.other.test", posting="anyone")
    _, copies = await posted(far_dns, post_of(author="x@sub.other.test"), sender="x@sub.other.test")
    assert "via news" in parsed(copies[KIM])["From"]


@pytest.mark.spec("L-008")
async def test_where_dns_fails_the_author_is_rewritten_too(far_dns):
    far_dns.failing.add("_dmarc.other.test")
    await in_thread(listed.make_list)(KIM, AUTHOR)
    _, copies = await posted(far_dns)
    assert "via news" in parsed(copies[KIM])["From"]


@pytest.mark.spec("L-008")
async def test_replies_go_to_the_list_where_it_says_so(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, replies_to="list")
    _, copies = await posted(far_dns)
    assert parsed(copies[KIM])["Reply-To"] == LIST
    assert parsed(copies[KIM])["From"] == AUTHOR


@pytest.mark.spec("L-009")
async def test_prefix_header_and_footer_stand_in_the_copies(far_dns):
    await in_thread(listed.make_list)(
        KIM, AUTHOR, subject_prefix="[news]", header_text="To $list:",
        footer_text="Leave: $unsubscribe, $unknown",
    )  # fmt: skip
    _, copies = await posted(far_dns)
    message = parsed(copies[KIM])
    assert message["Subject"] == "[news] Hello"
    assert message.get_content().replace("\r\n", "\n") == (
        "To news:\n\nHi.\n\nLeave: mailto:news-unsubscribe@one.example, $unknown\n"
    )


@pytest.mark.spec("L-006")
@pytest.mark.parametrize("word", ["swordfish", "wrong", ""])
async def test_the_word_for_posts_stands_in_the_subject_and_not_in_the_copies(far_dns, word):
    await in_thread(listed.make_list)(KIM, AUTHOR, post_password="swordfish")
    subject = f"Hello [:{word}:] all" if word else "Hello all"
    if word == "swordfish":
        _, copies = await posted(far_dns, post_of(subject=subject))
        assert parsed(copies[KIM])["Subject"] == "Hello all"
        assert b"swordfish" not in copies[KIM].body
        assert (await in_thread(Post.objects.get)()).subject == "Hello all"
    else:
        spool_id, state, back = await taken(far_dns, post_of(subject=subject))
        assert state == "BOUNCED"
        assert b"must have the list's word" in back[AUTHOR].body


@pytest.mark.spec("L-004")
async def test_an_author_who_may_not_post_is_refused_with_a_report(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR)
    spool_id, state, back = await taken(far_dns, post_of(author="ceo@bank.test"))
    assert state == "BOUNCED"
    assert b"5.7.1" in back[AUTHOR].body and b"Only subscribers may post" in back[AUTHOR].body


@pytest.mark.spec("L-004")
async def test_of_several_authors_each_must_be_allowed(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR)
    _, state, back = await taken(far_dns, post_of(author=f"{AUTHOR}, ceo@bank.test"))
    assert state == "BOUNCED" and b"Only subscribers may post" in back[AUTHOR].body


@pytest.mark.spec("L-004", "L-005")
async def test_where_there_are_moderators_they_decide_about_such_an_author(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, moderators=["alice"])
    _, state, back = await taken(far_dns, post_of(author="ceo@bank.test"))
    assert (state, back) == ("DELIVERED", {})
    held = await in_thread(HeldPost.objects.get)()
    assert (held.reason, held.author, held.sender) == ("not-allowed", "ceo@bank.test", AUTHOR)


@pytest.mark.spec("L-004", "L-011")
async def test_a_moderators_address_alone_is_no_proof(far_dns):
    await in_thread(listed.make_list)(KIM, posting="moderators", moderators=["alice"])
    body = post_of(author="alice@one.example")
    await taken(far_dns, body, sender="alice@one.example", origin=Origin.SMTP)
    assert (await in_thread(HeldPost.objects.get)()).reason == "not-proven"


@pytest.mark.spec("L-004", "L-011")
async def test_a_moderator_who_has_logged_in_posts_even_where_posts_wait(far_dns):
    from accounts.directory import login

    await in_thread(listed.make_list)(
        KIM, posting="moderators", moderators=["alice"], is_moderated=True
    )
    alice = await in_thread(login)("alice@one.example", local_ip=None)
    body = post_of(author="alice@one.example")
    _, copies = await posted(
        far_dns, body, sender="alice@one.example", submitter=alice, origin=Origin.SUBMISSION
    )
    assert parsed(copies[KIM])["List-Post"] == "NO"


def held_posts():
    return list(HeldPost.objects.select_related("mailing_list"))


@pytest.mark.spec("L-005")
async def test_a_held_post_goes_out_when_it_is_approved_once(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, is_moderated=True)
    spool_id, state, _ = await taken(far_dns)
    (held,) = await in_thread(held_posts)()
    assert (held.reason, held.subject, held.author) == ("moderated", "Hello", AUTHOR)
    assert "waits for a moderator" in await in_thread(told)(spool_id)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        post = await in_thread(moderation.approve)(held=held, by=None)
        await until(has_ended)
    assert set(by_recipient(sink)) == {KIM, AUTHOR}
    assert post.spooled_id == spool_id
    with pytest.raises(HeldPostUnknown):
        await in_thread(moderation.approve)(held=held, by=None)
    assert await in_thread(posts.release_done)() == 1
    assert await in_thread(references_left)() == ({}, [])


@pytest.mark.spec("L-005")
async def test_a_refused_post_goes_to_nobody_and_its_bytes_are_let_go(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, is_moderated=True)
    await taken(far_dns)
    (held,) = await in_thread(held_posts)()
    raw = await in_thread(moderation.read)(held)
    assert raw.startswith(b"Received: ") and raw.endswith(post_of())
    refusal = await in_thread(moderation.refuse)(held=held, by=None, text="Not here")
    assert (refusal.address, refusal.sender, refusal.text) == (LIST, AUTHOR, "Not here")
    assert await in_thread(references_left)() == ({}, [])
    with pytest.raises(HeldPostUnknown):
        await in_thread(moderation.refuse)(held=held, by=None)


@pytest.mark.spec("L-015", lacks="a spam filter of its own")
async def test_what_a_scanner_has_marked_waits_for_a_moderator_whoever_posts(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, posting="anyone")
    await taken(far_dns, post_of(more="X-Spam-Flag: YES\r\n"))
    held = await in_thread(HeldPost.objects.get)()
    assert (held.reason, held.detail) == ("spam", "marked as spam by X-Spam-Flag")


@pytest.mark.spec("L-014")
@pytest.mark.parametrize(("own", "of_domain"), [(1, 10_000), (0, 1)])
async def test_a_post_that_is_too_large_goes_back_to_its_author(far_dns, own, of_domain):
    def world():
        limits = {"max_message_size_kb": of_domain}
        domain = factories.make_domain("one.example", limits=limits)
        listed.make_list(KIM, AUTHOR, domain=domain, maximum_post_kb=own)

    await in_thread(world)()
    _, state, back = await taken(far_dns, post_of(body="x" * 70 + "\r\n" + "x" * 1000 + "\r\n"))
    assert state == "BOUNCED" and b"5.2.3" in back[AUTHOR].body


async def test_a_post_that_has_been_here_is_not_posted_again(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR)
    body = post_of(more="List-Id: The news <News.one.EXAMPLE>\r\n")
    spool_id, state, back = await taken(far_dns, body)
    assert (state, back) == ("DISCARDED", {})
    assert "it has been posted to this list before" in await in_thread(told)(spool_id)


@pytest.mark.parametrize("said", ["auto-replied", "auto-generated; x=y", "Auto-Notified"])
async def test_what_machines_write_is_not_posted(far_dns, said):
    await in_thread(listed.make_list)(KIM, AUTHOR)
    _, state, back = await taken(far_dns, post_of(more=f"Auto-Submitted: {said}\r\n"))
    assert (state, back) == ("DISCARDED", {})


@pytest.mark.spec("P-012", "P-013")
@pytest.mark.parametrize(("is_on", "priority"), [(True, 2), (False, 7)])
async def test_copies_have_the_priority_of_lists_if_there_is_one(far_dns, is_on, priority):
    def priorities(row):
        values = {"mailing_lists": 2, "mailing_lists_enabled": is_on, "standard": 7,
                  "standard_enabled": True}  # fmt: skip
        DomainPriority.objects.filter(domain=row.domain).update(**values)
        forget_everything()

    row = await in_thread(listed.make_list)(KIM, AUTHOR)
    await in_thread(priorities)(row)
    await posted(far_dns)
    copies = SpooledRecipient.objects.exclude(return_path="")
    assert await in_thread(lambda: set(copies.values_list("priority", flat=True)))() == {priority}


async def test_a_subscriber_whom_nobody_knows_here_is_left_out_and_it_counts(far_dns):
    await in_thread(listed.make_list)(KIM, AUTHOR, "gone@one.example")
    _, copies = await posted(far_dns)
    assert set(copies) == {KIM, AUTHOR}
    assert (await in_thread(listed.subscriber)("gone@one.example")).bounce_score == 1
    message = await in_thread(SpooledMessage.objects.get)(kind="list")
    assert "gone@one.example gets no copy: there is no such address here" in await in_thread(told)(
        message.pk
    )


async def test_an_alias_and_a_list_may_subscribe_and_each_mailbox_behind_gets_a_copy(far_dns):
    def world():
        row = listed.make_list(AUTHOR, "both@one.example", "inner@one.example")
        factories.make_alias(row.domain, "both", "alice", "bob")
        inner = listed.make_list("bob@one.example", name="inner", domain=row.domain,
                                 posting="anyone")  # fmt: skip
        assert inner.pk
        forget_everything()

    await in_thread(world)()
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(lambda: Post.objects.filter(finished_at__isnull=False).count() == 2)
        await until(has_ended)
    names = Message.objects.values_list("folder__account__local_part", flat=True)
    assert sorted(await in_thread(lambda: list(names))()) == ["alice", "bob", "bob"]


async def test_a_deleted_list_lets_go_of_all_that_it_held(far_dns):
    row = await in_thread(listed.make_list)(KIM, AUTHOR, is_moderated=True)
    await taken(far_dns)
    await in_thread(services.delete_list)(mailing_list=row, by=None)
    assert await in_thread(references_left)() == ({}, [])
    assert not await in_thread(MailingList.objects.exists)()


@pytest.mark.spec("D-036")
async def test_a_post_waits_while_its_domain_is_switched_off_and_then_goes_on(far_dns):
    def switch(row, is_disabled):
        domain_services.change_options(
            domain=row.domain, options={"is_disabled": is_disabled}, by=None
        )
        forget_everything()

    row = await in_thread(listed.make_list)(KIM, AUTHOR)
    await in_thread(listed.post)()
    await in_thread(switch)(row, True)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await until(lambda: SpooledRecipient.objects.filter(state=State.HELD).exists())
        assert not await in_thread(Post.objects.exists)()
        await in_thread(switch)(row, False)
        await in_thread(SpooledRecipient.objects.update)(due_at=utc_now())
        await until(has_ended)
    assert len(sink.taken) == 2


@pytest.mark.spec("L-003")
async def test_a_short_list_does_not_wait_for_a_long_one(far_dns, monkeypatch):
    monkeypatch.setattr(distribution, "BATCH", 5)

    def world():
        long = listed.make_list(*(f"r{n}@far.test" for n in range(1500)), posting="anyone")
        listed.make_list(KIM, name="short", domain=long.domain, posting="anyone")

    def has_overtaken():
        short = Post.objects.filter(mailing_list__local_part="short").first()
        return short is not None and short.finished_at is not None

    await in_thread(world)()
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(lambda: Post.objects.exists())
        await in_thread(listed.post)(to="short@one.example")
        await until(has_overtaken)
        long = await in_thread(Post.objects.get)(mailing_list__local_part="news")
        assert long.finished_at is None and long.reached_id > 0
        await in_thread(distribution.let_go)([long.pk])


@pytest.mark.spec("L-003")
def test_two_processes_hand_a_batch_on_once():
    row = listed.make_list(*(f"r{n}@far.test" for n in range(3)), posting="anyone")
    post, record = posts.make(
        row, post_of(), sender=AUTHOR, is_guarded=False, is_utf8=False, body_type="7BIT"
    )
    writing = posts.Publishing(write=lambda _cursor: posts.write(post), records=[record])
    process_committer().commit_now(writing)
    now = utc_now()
    mine = distribution.claim(now)
    assert distribution.claim(now) is None
    theirs = distribution.claim(now + 2 * distribution.LEASE)
    batches = [distribution.next_batch(one, now) for one in (mine, theirs)]
    process_committer().commit_now(batches[0])
    with pytest.raises(distribution.Superseded):
        process_committer().commit_now(batches[1])
    assert SpooledRecipient.objects.count() == 3


async def test_a_post_that_two_lists_hold_is_kept_for_both(far_dns):
    def world():
        first = listed.make_list(AUTHOR, is_moderated=True)
        listed.make_list(AUTHOR, name="more", domain=first.domain, is_moderated=True)

    await in_thread(world)()
    async with running_manager(far_dns, port=9):
        spool_id = await in_thread(submit)(LIST, "more@one.example", sender=AUTHOR, body=post_of())
        await settled(spool_id)
    assert len(await in_thread(held_posts)()) == 2
    assert (await in_thread(references_left)())[1] == []
    for held in await in_thread(held_posts)():
        await in_thread(moderation.refuse)(held=held, by=None)
    assert await in_thread(references_left)() == ({}, [])
