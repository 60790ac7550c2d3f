"""Posts to mailing lists on their way to the subscribers (L-003…L-015)."""

import email
import email.policy

import pytest

from events.models import Occurrence
from mailboxes.models import Message
from mailinglists import signedids
from mailinglists.models import HeldPost, Post
from spool import telling, trace
from spool.models import Origin, SpooledMessage, State
from tests.sinks import Sink
from tests.spool import listed
from tests.spool.listed import AUTHOR, LIST, has_ended, post_of
from tests.spool.outgoing import in_thread, running_manager, settled, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _memories(fresh_spool):
    pass


def told(spool_id):
    from clock.moments import utc_now

    message = SpooledMessage.objects.get(pk=spool_id)
    return telling.tell(trace.trace(message), now=utc_now())


async def posted(far_dns, body=None, **given):
    """Run until everybody has it; what the sink took, by recipient."""
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await in_thread(listed.post)(body, **given)
        await until(has_ended)
    return spool_id, {taken.rcpts[0].split("<")[1].split(">")[0]: taken for taken in sink.taken}


@pytest.mark.spec("L-003")
async def test_a_post_reaches_every_subscriber_under_a_sender_of_his_own(far_dns):
    await in_thread(listed.make_list)("kim@far.test", "lee@far.test", AUTHOR, "alice@one.example")
    spool_id, taken = await posted(far_dns)
    assert set(taken) == {"kim@far.test", "lee@far.test", AUTHOR}
    for address, one in taken.items():
        key = (await in_thread(listed.subscriber)(address)).pk
        path = signedids.return_path("news", "one.example", key)
        assert one.mail.split()[1] == f"FROM:<{path}>"
        assert one.rcpts == [f"RCPT TO:<{address}>"] or address in one.rcpts[0]
        message = email.message_from_bytes(one.body, policy=email.policy.default)
        assert message["Precedence"] == "list"
    assert await in_thread(Message.objects.count)() == 1  # alice's
    row = await in_thread(Post.objects.get)()
    assert (row.copies, row.subscribers, row.author) == (4, 4, AUTHOR)
    story = await in_thread(told)(spool_id)
    assert "posted" in story and "subscribers 4" in story
