"""G-041: never an open relay. Who is neither logged in nor listed writes to our people only."""

import pytest

from accounts import provisioning
from clock.moments import utc_now
from domains import services
from operations import relay
from operations import settings as operations_settings
from operations.models import RelayNetwork
from spool.models import Origin, SpooledRecipient
from tests.listeners.world import forget_everything

SENDERS = [
    "<>",
    "<stranger@elsewhere.test>",
    "<admin@lenient.test>",
    "<someone@target.test>",
    "<postmaster@localhost>",
    "<nobody@mx.test>",
    "<x@[127.0.0.1]>",
]
RECIPIENTS = [
    "someone@target.test",
    "someone%target.test@example.com",
    "someone%target.test@mx.test",
    "target.test!someone@example.com",
    "target.test!someone",
    "someone@target.test@example.com",
    '"someone@target.test"@example.com',
    '"someone%target.test"@example.com',
    '"target.test!someone"@example.com',
    '"someone@target.test"',
    "@example.com:someone@target.test",
    "@example.com,@lenient.test:someone@target.test",
    "someone@target.test.",
    "someone@[192.0.2.1]",
    "someone@[IPv6:2001:db8::1]",
    "someone@localhost",
    "someone@127.0.0.1",
    "someone@mx.test",
    "someone%target.test@[127.0.0.1]",
    "someone@example.com.target.test",
    "someone@target.test#example.com",
    "someone@target.test, alice@example.com",
]


@pytest.mark.spec("G-041", "D-052")
@pytest.mark.parametrize("purpose", ["plain", "tls", "submission"])
def test_no_stranger_relays_by_any_trick(talk, purpose):
    one = talk(purpose)
    one.hello()
    for sender in SENDERS:
        for recipient in RECIPIENTS:
            one.say("RSET")
            one.send(f"MAIL FROM:{sender}\r\nRCPT TO:<{recipient}>\r\nNOOP\r\n".encode())
            replies = [one.read(), one.read(), one.read()]
            is_over = any(reply.startswith("421") for reply in replies)  # N-007: malformed ones
            assert is_over or replies[1].startswith("5"), (sender, recipient, replies)
            assert not any(reply.startswith("250 2.1.5") for reply in replies)
            if is_over:
                one = talk(purpose)
                one.hello()
    assert SpooledRecipient.objects.count() == 0


@pytest.mark.spec("G-040")
def test_a_listed_network_may_relay_but_not_for_a_disabled_domain(talk):
    RelayNetwork.objects.create(network="127.0.0.0/8", created_at=utc_now())
    operations_settings.forget()
    one = talk()
    one.hello()
    assert one.say("MAIL FROM:<admin@closed.test>").startswith("550 5.7.1")
    assert one.say("MAIL FROM:<alice@example.com>").startswith("250")
    assert one.say("RCPT TO:<someone@target.test>").startswith("250")


@pytest.mark.spec("D-044", "G-040")
def test_a_listed_network_must_log_in_on_a_submission_port(talk):
    RelayNetwork.objects.create(network="127.0.0.0/8", created_at=utc_now())
    operations_settings.forget()
    one = talk("submission")
    one.hello()
    assert one.say("MAIL FROM:<alice@example.com>").startswith("530 5.7.0")


@pytest.mark.spec("G-040")
def test_a_network_listed_for_submission_relays_there_and_nowhere_else(talk):
    row = relay.add(network="127.0.0.0/8", services=["submission"], by=None)
    operations_settings.forget()
    for purpose in ("submission", "plain"):
        one = talk(purpose)
        one.hello()
        own = one.say("MAIL FROM:<alice@example.com>")
        assert own.startswith("250" if purpose == "submission" else "530 5.7.0")
        one.say("RSET")
        one.say("MAIL FROM:<scanner@elsewhere.test>")
        foreign = one.say("RCPT TO:<someone@target.test>")
        assert foreign.startswith("250" if purpose == "submission" else "550 5.7.1")
        if purpose == "submission":
            assert one.submit().startswith("250")
    assert SpooledRecipient.objects.get().message.origin == Origin.RELAY
    relay.change(row=row, values={"services": ["smtp"]}, by=None)
    operations_settings.forget()
    assert one.say("RSET").startswith("250")
    assert one.say("MAIL FROM:<alice@example.com>").startswith("250")


@pytest.mark.spec("D-033")
def test_a_domain_on_another_address_is_not_here(talk, world):
    services.change_options(domain=world.domain, options={"listen_ip": "127.0.0.9"}, by=None)
    forget_everything()
    one = talk()
    one.hello()
    one.say("MAIL FROM:<stranger@elsewhere.test>")
    assert one.say("RCPT TO:<alice@example.com>").startswith("550 5.7.1")
    services.change_options(domain=world.domain, options={"listen_ip": "192.0.2.1"}, by=None)
    forget_everything()
    assert one.say("RCPT TO:<alice@example.com>").startswith("250"), "its address is gone"


@pytest.mark.spec("D-052")
def test_a_forged_author_is_refused_where_the_domain_says_so(talk, world):
    values = {"require_smtp_authentication_for_author": True}
    provisioning.change_tab(domain=world.domain, tab="technical", values=values, by=None)
    forget_everything()
    one = talk()
    one.hello()
    one.say("MAIL FROM:<stranger@elsewhere.test>")
    one.say("RCPT TO:<bob@example.com>")
    forged = b"From: Alice <alice@example.net>\r\nSubject: pay\r\n\r\nPlease pay\r\n"
    assert one.submit(forged).startswith("550 5.7.1")
