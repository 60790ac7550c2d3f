"""Mail with list commands on its way through the spool (L-030, D-035)."""

from __future__ import annotations

import pytest

from clock.moments import utc_now
from domains import directory as domain_directory
from domains.models import DomainFeatures
from mailboxes.models import Message
from mailinglists import signedids
from mailinglists.models import Subscriber, Token
from spool import telling, trace
from spool.errors import AddressUnknown
from spool.lists import commands
from spool.models import Kind, SpooledMessage, SpooledRecipient, State
from tests.factories import make_domain_alias
from tests.memories import forget_everything
from tests.sinks import Sink
from tests.spool import listed
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until

pytestmark = pytest.mark.django_db(transaction=True)

LISTSERV = "listserv@one.example"
KIM = "kim@far.test"


@pytest.fixture(autouse=True)
def _memories(fresh_spool):
    forget_everything()


def mail(text, *, to=LISTSERV, author=KIM, more=""):
    return f"From: {author}\r\nTo: {to}\r\nSubject: x\r\n{more}\r\n{text}\r\n".encode()


def replies():
    return SpooledMessage.objects.filter(kind=Kind.AUTORESPONDER).order_by("pk")


def story_of(spool_id):
    return telling.tell(trace.trace(SpooledMessage.objects.get(pk=spool_id)), now=utc_now())


async def asked(far_dns, text, *, times=1, to=LISTSERV, author=KIM, more=""):
    """Until the last one is done with; its id and state, and what another server was sent."""
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        for _ in range(times):
            body = mail(text, to=to, author=author, more=more)
            spool_id = await submit_async(to, sender=author, body=body)
            (state,) = (await settled(spool_id)).values()
        for reply in await in_thread(lambda: list(replies()))():
            await settled(reply.pk)
    return spool_id, state, sink.taken


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
async def test_the_reply_leaves_for_the_author_under_the_null_sender(far_dns):
    await in_thread(listed.make_list)(is_public=True)
    spool_id, state, taken = await asked(far_dns, "lists")
    assert state == "DELIVERED"
    assert [one.rcpts[0].split("<")[1].split(">")[0] for one in taken] == [KIM]
    assert "FROM:<>" in taken[0].mail
    assert b'From: "Mailing lists of one.example" <listserv@one.example>' in taken[0].body
    assert await in_thread(Message.objects.count)() == 0
    assert f"{KIM} was answered by" in await in_thread(story_of)(spool_id)


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
async def test_who_writes_often_is_answered_so_often_and_no_more(far_dns, monkeypatch):
    monkeypatch.setattr(commands, "MOST_REPLIES", 3)
    await in_thread(listed.make_list)()
    spool_id, state, taken = await asked(far_dns, "subscribe news", times=5)
    assert len(taken) == 3 and state == "DISCARDED"
    assert await in_thread(Token.objects.count)() == 3
    assert "has had 3 replies within an hour" in await in_thread(story_of)(spool_id)
    _, state, taken = await asked(far_dns, "which", author="lee@far.test")
    assert state == "DELIVERED" and len(taken) == 1


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
async def test_what_a_program_wrote_is_neither_obeyed_nor_answered(far_dns):
    await in_thread(listed.make_list)()
    spool_id, state, taken = await asked(
        far_dns, "subscribe news", more="Auto-Submitted: auto-replied\r\n"
    )
    assert (state, taken) == ("DISCARDED", [])
    assert not await in_thread(Token.objects.exists)()
    assert "a program wrote it" in await in_thread(story_of)(spool_id)


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
async def test_two_mail_programs_of_lists_do_not_answer_each_other(far_dns):
    """What a reply says of itself is enough for another server of this kind to keep silent."""
    await in_thread(listed.make_list)()
    _, _, taken = await asked(far_dns, "help")
    head = taken[0].body.partition(b"\r\n\r\n")[0].decode()
    auto = next(line for line in head.split("\r\n") if line.startswith("Auto-Submitted:"))
    _, state, taken = await asked(far_dns, "help", author="a@far.test", more=f"{auto}\r\n")
    assert (state, taken) == ("DISCARDED", [])


@pytest.mark.spec("D-035")
async def test_the_command_address_answers_on_every_name_of_its_domain(far_dns):
    row = await in_thread(listed.make_list)(KIM)
    await in_thread(make_domain_alias)(row.domain, "uno.example")
    await in_thread(domain_directory.clear)()
    _, state, taken = await asked(far_dns, "which", to="listserv@uno.example")
    assert state == "DELIVERED"
    assert f"{KIM} is subscribed to:".encode() in taken[0].body


@pytest.mark.spec("D-035")
@pytest.mark.parametrize("to", [LISTSERV, "news-request@one.example", "news-subscribe@one.example"])
def test_with_lists_switched_off_nobody_takes_commands(to):
    row = listed.make_list()
    DomainFeatures.objects.filter(domain=row.domain).update(mailing_lists=False)
    domain_directory.clear()
    with pytest.raises(AddressUnknown):
        submit(to, sender=KIM, body=mail("help", to=to))


@pytest.mark.spec("L-038")
async def test_a_fault_in_the_middle_confirms_once_and_answers_once(far_dns, monkeypatch):
    """The process ends behind the confirmation and before the reply: the mail is tried again."""
    await in_thread(listed.make_list)(welcome_text="Be welcome.")
    await asked(far_dns, "subscribe news")
    token = await in_thread(Token.objects.get)()
    word = await in_thread(_word)(token.pk)
    faults = iter([RuntimeError("killed")])
    write = commands.backend.open_intake

    def die_once(message):
        for fault in faults:
            raise fault
        return write(message)

    monkeypatch.setattr(commands.backend, "open_intake", die_once)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async(LISTSERV, sender=KIM, body=mail(f"confirm {word}"))
        mine = SpooledRecipient.objects.filter(message=spool_id)
        await until(mine.filter(state=State.RETRYING).exists)
        await in_thread(mine.update)(due_at=utc_now())
        await until(mine.filter(state=State.DELIVERED).exists)
        for reply in await in_thread(lambda: list(replies()))():
            await settled(reply.pk)
    assert await in_thread(Subscriber.objects.count)() == 1
    bodies = [one.body for one in sink.taken]
    assert len(bodies) == 1 and b"Be welcome." in bodies[0]


def _word(token_id):
    return signedids.token_text(token_id)
