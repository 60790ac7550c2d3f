"""Users who have their mail forwarded: where it goes, under which sender, and back (U-036)."""

import pytest

from accounts import forwarding, services
from accounts.errors import ForwardingRefused
from accounts.models import User
from clock.moments import utc_now
from domains.errors import ValuesRefused
from mailboxes.models import Message
from protocols.address import Address
from spool import forwardwarnings, rewriting, routing, telling, trace
from spool.errors import AddressUnknown, MessageLoops
from spool.models import Origin, SpooledMessage
from spool.routing import Question
from tests import factories
from tests.memories import forget_everything
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async

pytestmark = pytest.mark.django_db(transaction=True)
STRANGER = "writer@other.test"
MESSAGE = b"From: writer@other.test\r\nTo: alice@one.example\r\nSubject: Hello\r\n\r\nHi.\r\n"


@pytest.fixture(autouse=True)
def _memories(fresh_spool):
    forwarding.forget()


def user(name="alice"):
    return User.objects.get(local_part=name)


def forward(*targets, name="alice", keep=True):
    values = {"forward_to": list(targets), "keep_forwarded": keep}
    services.change_user(user=user(name), values=values, by=None)


def world(*targets, keep=True, **given):
    factories.make_domain("one.example", "alice", "bob", **given)
    forward(*targets, keep=keep)


def resolve(address, sender=STRANGER):
    forget_everything()
    return routing.resolve(Address.parse(address), Question(sender, may_relay=False))


def places(address="alice@one.example"):
    return [target.address for target in resolve(address).targets]


def in_mailboxes():
    return Message.objects.count()


def from_outside(*recipients, body=MESSAGE):
    return submit(*recipients, sender=STRANGER, origin=Origin.SMTP, body=body)


async def test_forwarded_mail_leaves_under_a_sender_of_ours_with_its_body_untouched(far_dns):
    await in_thread(world)("away@far.test")
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await in_thread(from_outside)("alice@one.example")
        states = await settled(spool_id)
    assert states == {"alice@one.example": "DELIVERED", "away@far.test": "RELAYED"}
    assert await in_thread(in_mailboxes)() == 1
    (taken,) = sink.taken
    sender = taken.mail.split()[1].removeprefix("FROM:").strip("<>")
    assert sender.startswith("SRS0=") and sender.endswith("=writer@one.example")
    assert taken.body.startswith(b"Delivered-To: alice@one.example\r\nReceived: ")
    assert taken.body.endswith(MESSAGE)
    returned = await in_thread(resolve)(sender, sender="")
    assert [target.address for target in returned.targets] == [STRANGER]
    story = await in_thread(told)(spool_id)
    assert "The mail of alice@one.example is forwarded: it goes to" in story


def told(spool_id):
    return telling.tell(trace.trace(SpooledMessage.objects.get(pk=spool_id)), now=utc_now())


@pytest.mark.spec("S-056")
async def test_mail_that_comes_back_in_a_circle_is_not_sent_on_again(far_dns):
    await in_thread(world)("away@far.test", keep=False)
    back = b"Received: from far.test by x\r\nDelivered-To: alice@one.example\r\n" + MESSAGE
    with pytest.raises(MessageLoops):
        await in_thread(from_outside)("alice@one.example", body=back)
    spool_id = await in_thread(from_outside)("alice@one.example", "bob@one.example", body=back)
    assert await in_thread(outgoing.states)(spool_id) == {"bob@one.example": "DELIVERED"}


async def test_a_sender_of_ours_keeps_his_name_and_the_null_sender_stays(far_dns):
    await in_thread(world)("away@far.test", keep=False)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        ours = await submit_async("alice@one.example", sender="bob@one.example")
        assert await settled(ours) == {"away@far.test": "RELAYED"}
        null = await submit_async("alice@one.example", sender="", origin=Origin.SERVER)
        assert await settled(null) == {"away@far.test": "RELAYED"}
    assert [one.mail.split()[1] for one in sink.taken] == ["FROM:<bob@one.example>", "FROM:<>"]


def test_without_a_copy_the_mailbox_stays_empty_and_local_forwards_are_followed():
    world("bob", "away@far.test", keep=False)
    assert places() == ["bob@one.example", "away@far.test"]
    forward("alice@one.example", name="bob", keep=False)
    assert places() == ["bob@one.example", "away@far.test"]
    services.change_user(user=user(), values={"keep_forwarded": True}, by=None)
    assert places() == ["alice@one.example", "bob@one.example", "away@far.test"]


def test_mail_is_kept_where_the_forward_leads_nowhere():
    world("gone", keep=False)
    assert places() == ["alice@one.example"]
    factories.make_alias(user().domain, "gone", "bob")
    assert places() == ["bob@one.example"]


def test_a_disabled_user_forwards_nothing():
    world("away@far.test", keep=False)
    services.change_user(user=user(), values={"status": "receiving"}, by=None)
    assert places() == ["away@far.test"]
    services.change_user(user=user(), values={"status": "disabled"}, by=None)
    with pytest.raises(Exception, match="alice"):
        places()


@pytest.mark.spec("G-047")
def test_a_forward_to_a_blacklisted_domain_stops_and_the_mail_is_kept():
    world("a@strict.test", "b@fine.test", keep=False)
    forwarding.add(name="strict.test", by=None)
    found = resolve("alice@one.example")
    assert [target.address for target in found.targets] == ["alice@one.example", "b@fine.test"]
    assert found.banned == ("a@strict.test",)


@pytest.mark.spec("G-047")
def test_the_user_is_told_once_that_a_forward_stopped(settings):
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    world("a@x.strict.test", "b@fine.test", keep=False)
    forward("c@fine.test", name="bob")
    assert forwardwarnings.warn(now=utc_now()) == 0
    forwarding.add(name="*.strict.test", by=None)
    forget_everything()
    assert forwardwarnings.warn(now=utc_now()) == 1
    assert forwardwarnings.warn(now=utc_now()) == 0
    (told_of,) = SpooledMessage.objects.all()
    targets = told_of.recipients.values_list("address", flat=True)
    assert set(targets) == {"alice@one.example", "b@fine.test"}


@pytest.mark.spec("G-046", lacks="forwards by content filters")
def test_forwards_are_checked_when_saved():
    world()
    forwarding.add(name="strict.test", by=None)
    forward("BOB", "bob@one.example", "x@Far.TEST")
    assert user().forward_to == ["bob@one.example", "x@far.test"]
    with pytest.raises(ForwardingRefused):
        forward("x@strict.test")
    for wrong in ("alice", "no address", "@far.test"):
        with pytest.raises(ValuesRefused):
            forward(wrong)
    with pytest.raises(ValuesRefused):
        forward(*(f"r{n}@far.test" for n in range(21)))
    with pytest.raises(ValuesRefused):
        services.change_user(user=user(), values={"forward_to": [7]}, by=None)
    assert user().forward_to == ["bob@one.example", "x@far.test"]


@pytest.mark.spec("G-041")
def test_only_reports_come_back_by_a_rewritten_sender():
    world()
    made = rewriting.sender_for(STRANGER, "alice@one.example")
    with pytest.raises(AddressUnknown):
        resolve(made)
    with pytest.raises(AddressUnknown):
        resolve(made.replace("writer", "victim"), sender="")
