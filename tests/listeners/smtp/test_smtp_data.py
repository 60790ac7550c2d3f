"""Messages on the wire: where they end, how large they are, what becomes of them."""

import socket
import time

import pytest

from accounts import services
from accounts.models import User
from blobs.committer import process_committer
from blobs.store import locate, read_body
from mailboxes.models import Message
from operations import settings as operations_settings
from operations.models import ListenerSettings
from spool.models import RefusedMail, SpooledMessage, SpooledRecipient
from tests.factories import make_alias, make_domain
from tests.listeners.world import forget_everything

FALSE_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\n\n.\r\n",
    b"\r\n.\n\r\n", b"\r.\n", b"\n\r.\r\n", b"\r\n .\r\n", b"\r\n. \r\n",
]  # fmt: skip


def stored(blob_id):
    return read_body(locate([blob_id])[blob_id])


def only_message():
    return stored(Message.objects.get().blob_id)


def begin(one, sender="stranger@elsewhere.test", recipient="alice@example.com"):
    one.hello()
    assert one.say(f"MAIL FROM:<{sender}>").startswith("250")
    assert one.say(f"RCPT TO:<{recipient}>").startswith("250")
    return one


@pytest.mark.spec("N-021")
@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "byte by byte"])
def test_what_looks_like_an_end_of_data_smuggles_nothing(talk, in_pieces):
    one = talk()
    one.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    smuggled = b"MAIL FROM:<admin@lenient.test>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nx\r\n"
    for false_end in FALSE_ENDS:
        begin(one)
        wire = b"Subject: a\r\n\r\nbody" + false_end + smuggled + b".\r\n"
        assert one.say("DATA").startswith("354")
        for piece in [wire] if not in_pieces else [bytes([octet]) for octet in wire]:
            one.send(piece)
        one.read()
        # One message, taken or refused as a whole, and nothing behind it.
        assert one.say("NOOP") == "250 2.0.0 OK", false_end
    assert not SpooledMessage.objects.filter(sender="admin@lenient.test").exists()


@pytest.mark.spec("N-021")
@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n"])
def test_bare_line_ends_and_nul_are_refused(talk, body):
    one = begin(talk())
    assert one.submit(b"Subject: a\r\n\r\n" + body).startswith("554 5.6.0")
    assert SpooledMessage.objects.count() == 0
    assert begin(one).submit().startswith("250")


@pytest.mark.spec("N-025", "N-024")
def test_an_accepted_message_lies_in_the_mailbox_with_its_trace(talk, world):
    one = begin(talk())
    spool_id = one.submit(b"Subject: hello\r\n\r\n..dot\r\n" + b"x" * 5000 + b"\r\n").split()[-1]
    message = Message.objects.get(folder__account=world.alice)
    body = stored(message.blob_id)
    assert body.startswith(b"Received: from client.test (")
    assert f"with ESMTP id {spool_id}".encode() in body
    assert body.endswith(b"\r\n\r\n.dot\r\n" + b"x" * 5000 + b"\r\n")
    assert SpooledMessage.objects.get().client_address == "127.0.0.1"


def test_one_message_for_two_people_is_one_spooled_message(talk, world):
    one = talk()
    begin(one, recipient="sales@example.com")
    assert one.say("RCPT TO:<bob@example.net>").startswith("250")
    assert one.submit().startswith("250")
    spooled = SpooledMessage.objects.get()
    assert spooled.recipients_total == spooled.recipients_delivered == 2


@pytest.mark.spec("N-020")
def test_the_system_limit_is_announced_and_kept(talk, limits):
    limits(message_size_mb=1)
    one = talk()
    assert "SIZE 1048576" in one.hello()
    assert one.say("MAIL FROM:<> SIZE=1048577").startswith("552 5.3.4")
    begin(one)
    line = b"x" * 998 + b"\r\n"
    assert one.submit(line * 1100).startswith("552 5.3.4")
    assert begin(one).submit().startswith("250")


def test_chunks_beyond_the_limit_are_read_and_refused(talk, limits):
    limits(message_size_mb=1)
    one = begin(talk())
    one.send(b"BDAT 1100000\r\n" + b"x" * 1_100_000)
    assert one.read().startswith("552 5.3.4")
    one.send(b"BDAT 3 LAST\r\nabc")
    assert one.read().startswith("503 5.5.1")
    assert begin(one).submit().startswith("250")


def test_after_a_malformed_bdat_nothing_passes_for_a_command(talk):
    one = begin(talk())
    one.send(b"BDAT x LAST\r\nMAIL FROM:<admin@lenient.test>\r\n")
    assert one.read().startswith("501 5.5.4")
    assert one.read() == ""


def test_a_large_message_arrives_whole_however_it_is_cut(talk, world):
    one = begin(talk())
    message = b"Subject: large\r\n\r\n" + b"".join(b"line %d\r\n" % n for n in range(200_000))
    assert one.say("DATA").startswith("354")
    wire = message + b".\r\nNOOP\r\n"
    for start in range(0, len(wire), 65_537):
        one.send(wire[start : start + 65_537])
    assert one.read().startswith("250")
    assert one.read() == "250 2.0.0 OK"
    assert only_message().endswith(message)


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(talk, smtp):
    one = begin(talk())
    assert one.say("DATA").startswith("354")
    one.send(b"Subject: half\r\n\r\nhal")
    one.close()
    deadline = time.monotonic() + 30
    while smtp.listener.visits and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not smtp.listener.visits
    assert SpooledMessage.objects.count() == 0


def test_half_closed_connections_are_answered(talk):
    one = talk()
    one.send(b"EHLO client.test\r\nNOOP\r\n")
    one.socket.shutdown(socket.SHUT_WR)
    assert one.read().startswith("250")
    assert one.read() == "250 2.0.0 OK"
    assert one.read() == ""


@pytest.mark.spec("D-082")
@pytest.mark.parametrize(("is_permanent", "reply"), [(False, "452 4.2.2"), (True, "552 5.2.2")])
def test_a_full_mailbox_is_said_at_rcpt(talk, world, limits, is_permanent, reply):
    limits(over_quota_is_permanent=is_permanent)
    User.objects.filter(pk=world.alice.pk).update(mailbox_size_mb=1)
    one = talk()
    one.hello()
    assert one.say("MAIL FROM:<stranger@elsewhere.test> SIZE=2000000").startswith("250")
    assert one.say("RCPT TO:<alice@example.com>").startswith(reply)
    assert one.say("RCPT TO:<bob@example.com>").startswith("250")


@pytest.mark.spec("D-036")
def test_a_disabled_domain_may_be_a_matter_for_later(talk, limits):
    limits(disabled_domain_is_temporary=True)
    one = talk()
    one.hello()
    one.say("MAIL FROM:<stranger@elsewhere.test>")
    assert one.say("RCPT TO:<admin@closed.test>").startswith("450 4.2.1")


def test_settings_change_in_open_sessions(talk):
    one = talk()
    assert "SIZE 52428800" in one.hello()
    ListenerSettings.objects.update_or_create(pk=1, defaults={"message_size_mb": 2})
    operations_settings.forget()
    assert "SIZE 2097152" in one.hello()


def test_refused_mail_leaves_a_record(talk):
    one = begin(talk())
    one.say("RCPT TO:<nobody@example.com>")
    one.submit(b"Subject: a\r\n\r\na\nb\r\n")
    one.say("MAIL FROM:<alice@example.com>")
    deadline = time.monotonic() + 30
    while RefusedMail.objects.count() < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    rows = RefusedMail.objects.order_by("id").values_list("sender", "recipient", "reply")
    assert [(sender, recipient, reply[:9]) for sender, recipient, reply in rows] == [
        ("stranger@elsewhere.test", "nobody@example.com", "550 5.1.1"),
        ("stranger@elsewhere.test", "", "554 5.6.0"),
        ("alice@example.com", "", "530 5.7.0"),
    ]
    assert RefusedMail.objects.filter(client_address="127.0.0.1").count() == 3


@pytest.mark.spec("N-021")
def test_what_the_client_says_of_reports_and_bodies_is_kept(talk):
    one = talk()
    one.hello()
    sender = "MAIL FROM:<stranger@elsewhere.test> BODY=8BITMIME RET=HDRS ENVID=a+2Bb SMTPUTF8"
    assert one.say(f"{sender} MT-PRIORITY=3").startswith("250")
    wishes = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Alice+2B1@example.com"
    assert one.say(f"RCPT TO:<alice@example.com> {wishes}").startswith("250")
    assert one.say("RCPT TO:<bob@example.com> NOTIFY=NEVER").startswith("250")
    assert one.submit().startswith("250")
    message = SpooledMessage.objects.get()
    assert (message.body_type, message.ret, message.envid) == ("8BITMIME", "HDRS", "a+b")
    assert message.smtputf8
    assert message.manual_priority is None  # strangers do not choose it
    kept = message.recipients.order_by("address").values_list("notify", "orcpt")
    assert list(kept) == [("SUCCESS,DELAY", "rfc822;Alice+1@example.com"), ("NEVER", "")]


@pytest.mark.spec("N-021")
def test_addresses_beyond_ascii_need_smtputf8_and_domains_of_ours_may_have_them(talk, world):
    make_domain("bücher.test", "käthe")
    forget_everything()
    one = talk()
    one.hello()
    assert one.say("MAIL FROM:<jörg@elsewhere.test>").startswith("553 5.6.7")
    assert one.say("MAIL FROM:<stranger@elsewhere.test>").startswith("250")
    assert one.say("RCPT TO:<käthe@bücher.test>").startswith("553 5.6.7")
    one.say("RSET")
    assert one.say("MAIL FROM:<jörg@elsewhere.test> SMTPUTF8").startswith("250")
    assert one.say("RCPT TO:<Käthe@BÜCHER.test>").startswith("250")
    assert one.submit().startswith("250")
    assert b"with UTF8SMTP id" in only_message()


@pytest.mark.spec(
    "S-051", lacks="archive, spam and virus checks, filters, automatic replies, events"
)
def test_what_can_be_refused_is_refused_before_250_and_before_anything_is_done(talk, world):
    make_alias(world.domain, "team", "alice", "out@elsewhere.test")
    services.change_user(user=world.bob, values={"forward_to": ["far@elsewhere.test"]}, by=None)
    forget_everything()
    hops = b"Received: from a by b; Fri, 21 Nov 1997 09:55:06 -0600\r\n"
    for recipient in ("team", "bob", "sales"):
        one = begin(talk(), recipient=f"{recipient}@example.com")
        assert one.submit(hops * 101 + b"Subject: round\r\n\r\nx\r\n").startswith("554 5.4.6")
    assert not SpooledMessage.objects.exists() and not Message.objects.exists()
    one = begin(talk(), recipient="team@example.com")
    assert one.say("RCPT TO:<nobody@example.com>").startswith("550 5.1.1")
    assert one.say("RCPT TO:<bob@example.com>").startswith("250")
    assert one.submit(hops * 3 + b"Subject: straight\r\n\r\nx\r\n").startswith("250")
    addresses = SpooledRecipient.objects.values_list("address", flat=True)
    assert sorted(addresses) == [
        "alice@example.com", "bob@example.com", "far@elsewhere.test", "out@elsewhere.test",
    ]  # fmt: skip
    # Each user's share of the work is done at once: what is stored is there when 250 is said.
    assert Message.objects.count() == 2 and SpooledMessage.objects.count() == 1


def announced():
    """How many messages the committer has been told to expect."""
    return sum(len(each._announced) for each in process_committer()._gatherings.values())


def wait_until_announced(number):
    deadline = time.monotonic() + 20
    while announced() != number and time.monotonic() < deadline:
        time.sleep(0.01)
    assert announced() == number


def test_a_message_that_comes_in_is_announced_until_it_is_there_or_given_up(talk):
    taken, reset, hung_up = begin(talk()), begin(talk()), begin(talk())
    wait_until_announced(3)
    reset.say("RSET")
    wait_until_announced(2)
    taken.say("DATA")
    assert taken.say("Subject: a\r\n\r\nb\r\n.").startswith("250")
    wait_until_announced(1)
    hung_up.close()
    wait_until_announced(0)
