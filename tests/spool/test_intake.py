"""The only way in: what is durable, what is delivered at once, what waits."""

import asyncio

import pytest

from accounts import directory as account_directory
from blobs import committer
from blobs.models import Blob
from blobs.store import locate, read_body
from domains import directory as domain_directory
from mailboxes import quota
from mailboxes.models import AccountUsage, DomainUsage, Folder, Message
from protocols.address import Address
from spool import errors, intake, ledger, routing, settings
from spool.models import LedgerHour, Origin, SpooledMessage, SpooledRecipient, State
from spool.routing import Question
from tests import factories

# The committer's thread has a connection of its own: rows must be there for all to see.
pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE = (
    b"From: Eve <eve@elsewhere.example>\r\nTo: alice@one.example\r\nSubject: Hello\r\n"
    b"Message-ID: <1@elsewhere.example>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nHi.\r\n"
)


@pytest.fixture(autouse=True)
def _fresh():
    for forget in (
        domain_directory.clear, account_directory.clear, settings.forget, quota.forget
    ):  # fmt: skip
        forget()
    yield
    committer.stop_process_committer()


def begin(*recipients: str, sender: str = "eve@elsewhere.example", may_relay=True, **given):
    opened = intake.begin(
        sender=sender,
        origin=given.pop("origin", Origin.SMTP),
        client=intake.Client(address="192.0.2.7", greeting="mail.elsewhere.example"),
        **given,
    )
    for recipient in recipients:
        address = Address.parse(recipient)
        opened.add_recipient(address, routing.resolve(address, Question(sender, may_relay)))
    return opened


def body_of(blob_id: int) -> bytes:
    return read_body(locate([blob_id])[blob_id])


def test_every_process_counts_domains_in_the_same_order(monkeypatch):
    first, second = (factories.make_domain(f"{name}.example", "alice") for name in ("one", "two"))
    counted, count = [], ledger.count

    def note(cursor, domain_id, *args, **counts):
        counted.append(domain_id)
        count(cursor, domain_id, *args, **counts)

    monkeypatch.setattr(ledger, "count", note)
    opened = begin("alice@two.example", "alice@one.example")
    opened.write(MESSAGE)
    opened.commit_now()
    assert counted == [first.pk, second.pk]


@pytest.mark.spec("S-001", "N-025")
def test_a_local_message_lies_in_the_mailbox_when_commit_returns():
    domain = factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example")
    opened.write(MESSAGE)
    spool_id = opened.commit_now()
    message = Message.objects.get(folder__account__local_part="alice")
    stored = body_of(message.blob_id)
    assert stored.endswith(MESSAGE)
    assert stored.startswith(b"Received: from mail.elsewhere.example (unknown [192.0.2.7])")
    assert message.prefix == (
        "Return-Path: <eve@elsewhere.example>\r\nDelivered-To: alice@one.example\r\n"
    )
    assert message.size_bytes == len(message.prefix) + len(stored)
    spooled = SpooledMessage.objects.get(pk=spool_id)
    assert spooled.finished_at == spooled.accepted_at
    assert (spooled.recipients_delivered, spooled.blob_id) == (1, None)
    recipient = SpooledRecipient.objects.get(message=spooled)
    assert (recipient.state, recipient.uid) == (State.DELIVERED, message.uid)
    assert Blob.objects.get(pk=message.blob_id).references == 1
    assert AccountUsage.objects.get(account=message.folder.account).bytes == message.size_bytes
    assert DomainUsage.objects.get(domain=domain).messages == 1


@pytest.mark.spec("P-002")
def test_of_a_mixed_message_the_remote_recipients_wait():
    domain = factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example", "out@elsewhere.example", sender="alice@one.example")
    opened.write(MESSAGE)
    spool_id = opened.commit_now()
    spooled = SpooledMessage.objects.get(pk=spool_id)
    assert spooled.finished_at is None
    assert spooled.blob_id is not None
    remote = SpooledRecipient.objects.get(address="out@elsewhere.example")
    assert (remote.state, remote.due_at, remote.destination) == (
        State.QUEUED, spooled.accepted_at, "elsewhere.example"
    )  # fmt: skip
    assert Blob.objects.get(pk=spooled.blob_id).references == 2
    hour = LedgerHour.objects.get(domain_id=domain.pk)
    assert (hour.accepted, hour.delivered) == (1, 1)


@pytest.mark.spec("D-082")
def test_a_full_mailbox_leaves_the_recipient_in_the_spool_with_the_reason():
    domain = factories.make_domain("one.example", "alice")
    factories.make_user(domain, "small", mailbox_size_mb=1)
    opened = begin("alice@one.example", "small@one.example")
    opened.write(MESSAGE + b"x" * 1_100_000)
    opened.commit_now()
    waiting = SpooledRecipient.objects.get(address="small@one.example")
    assert waiting.state == State.QUEUED
    assert waiting.reply
    assert Message.objects.count() == 1
    assert Blob.objects.get().references == 2


def test_many_at_once_share_groups_and_none_is_lost():
    factories.make_domain("one.example", "alice", "bob")

    async def one(number: int) -> int:
        opened = begin("alice@one.example", "bob@one.example")
        opened.write(MESSAGE + b"%d" % number)
        return await opened.commit()

    async def all_at_once():
        return await asyncio.gather(*(one(number) for number in range(200)))

    # Routing asks the database here, which Django allows in a thread only.
    routing.resolve(Address.parse("alice@one.example"), Question("x@y.example", False))
    routing.resolve(Address.parse("bob@one.example"), Question("x@y.example", False))
    settings.current()
    ids = asyncio.run(all_at_once())
    assert len(set(ids)) == 200
    for inbox in Folder.objects.filter(account__local_part__in=["alice", "bob"]):
        if inbox.name == "INBOX":
            assert inbox.messages == inbox.unseen == 200
            uids = list(Message.objects.filter(folder=inbox).values_list("uid", flat=True))
            assert sorted(uids) == list(range(1, 201))
    assert Message.objects.count() == 400


@pytest.mark.spec("S-056")
def test_too_many_hops_are_refused():
    factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example")
    with pytest.raises(errors.MessageLoops):
        opened.write(b"Received: by x\r\n" * 101 + MESSAGE)


@pytest.mark.spec("S-056")
def test_a_message_that_was_in_this_mailbox_already_is_not_delivered_at_once():
    factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example")
    opened.write(b"Received: by x\r\nDelivered-To: Alice@one.example\r\n" + MESSAGE)
    opened.commit_now()
    assert SpooledRecipient.objects.get().state == State.QUEUED
    assert not Message.objects.exists()


def test_a_submission_gets_what_it_lacks():
    domain = factories.make_domain("one.example", "alice")
    user = domain.users.get(local_part="alice")
    opened = begin(
        "alice@one.example",
        sender="alice@one.example",
        origin=Origin.SUBMISSION,
        submitter=account_directory.account(user.pk),
    )
    opened.write(b"Subject: x\r\n\r\nHi.\r\n")
    opened.commit_now()
    stored = body_of(Message.objects.get().blob_id)
    for field in (b"\r\nDate: ", b"\r\nMessage-ID: <", b"\r\nFrom: "):
        assert stored.count(field) == 1
    spooled = SpooledMessage.objects.get()
    assert spooled.message_id.startswith(opened.name)
    assert spooled.sender_account_id == user.pk


def test_a_body_beyond_the_limit_leaves_nothing():
    factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example", maximum_bytes=1000)
    with pytest.raises(errors.BodyTooLarge):
        opened.write(b"x" * 1001)
    opened.abort()
    assert not Blob.objects.exists()
    assert not SpooledMessage.objects.exists()


def test_the_header_may_come_in_pieces_of_any_size():
    factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example")
    for position in range(len(MESSAGE)):
        opened.write(MESSAGE[position : position + 1])
    opened.commit_now()
    assert body_of(Message.objects.get().blob_id).endswith(MESSAGE)
    assert SpooledMessage.objects.get().message_id == "1@elsewhere.example"


@pytest.mark.spec("S-057")
def test_below_the_floor_of_free_space_no_message_is_begun(monkeypatch):
    factories.make_domain("one.example", "alice")
    from spool.models import SpoolSettings

    SpoolSettings.objects.create(pk=1, free_space_floor_mb=2**31 - 1, free_space_floor_percent=100)
    settings.forget()
    with pytest.raises(errors.SpoolFull):
        begin("alice@one.example")


@pytest.mark.spec("S-046")
def test_segments_take_turns_over_the_subspools():
    from blobs.models import Segment
    from spool.models import SpoolSettings

    factories.make_domain("one.example", "alice")
    SpoolSettings.objects.create(pk=1, subspools=3)
    settings.forget()
    for _ in range(4):
        opened = begin("alice@one.example")
        opened.write(MESSAGE)
        opened.commit_now()
        committer.stop_process_committer()  # the next process begins a segment of its own
    paths = [segment.area.path for segment in Segment.objects.order_by("id")]
    assert sorted(set(paths)) == ["spool/01", "spool/02", "spool/03"]
    assert paths[0] == paths[3]
    assert all(body_of(message.blob_id).endswith(MESSAGE) for message in Message.objects.all())


@pytest.mark.spec("S-004")
def test_a_message_for_a_mailbox_never_shows_as_waiting():
    factories.make_domain("one.example", "alice")
    opened = begin("alice@one.example")
    opened.write(MESSAGE)
    opened.commit_now()
    # Row and mailbox appear in one transaction: there is no moment in which it waits.
    assert not SpooledMessage.objects.filter(finished_at=None).exists()
    assert SpooledRecipient.objects.get().ended_at == SpooledMessage.objects.get().accepted_at
