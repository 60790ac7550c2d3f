"""Conversations of the sending side with servers of every kind. RFC 5321."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import sasl_client
from protocols.smtp.client import ClientMisused, SmtpClient, Tls
from protocols.smtp.clientevents import (
    BodyWanted,
    Closed,
    Finished,
    Ready,
    SessionRefused,
    StartTls,
)
from protocols.smtp.outgoing import (
    Body,
    OutgoingEnvelope,
    OutgoingRecipient,
    Stage,
    Verdict,
)

DELIVERED, DEFERRED, FAILED = Verdict.DELIVERED, Verdict.DEFERRED, Verdict.FAILED
BODY = b"Subject: x\r\n\r\n.hello\r\n"


def envelope(*addresses, sender="a@example.com", **options):
    recipients = tuple(OutgoingRecipient(address) for address in addresses or ("b@example.net",))
    return OutgoingEnvelope(sender, recipients, size_bytes=len(BODY), **options)


def connected(*extensions, **options):
    """A client behind EHLO, ready to send."""
    client = SmtpClient(helo="mx.example.com", **options)
    assert client.receive(b"220 hi\r\n") == []
    assert client.take() == b"EHLO mx.example.com\r\n"
    lines = ["250-hi", *(f"250-{name}" for name in extensions), "250 HELP"]
    assert client.receive("".join(f"{line}\r\n" for line in lines).encode()) == [Ready()]
    assert client.take() == b""
    return client


def finished(events):
    return next(event for event in events if isinstance(event, Finished)).outcomes


def verdicts(events):
    return [outcome.verdict for outcome in finished(events)]


@pytest.mark.spec("S-054")
def test_pipelining_sends_the_envelope_in_one_piece():
    client = connected("PIPELINING", "SIZE 1000")
    assert client.send(envelope(), BODY) == []
    assert client.take() == (
        b"MAIL FROM:<a@example.com> SIZE=22\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
    )
    assert client.receive(b"250 ok\r\n250 ok\r\n") == []
    assert client.receive(b"354 go\r\n") == []
    assert client.take() == b"Subject: x\r\n\r\n..hello\r\n.\r\n"
    assert client.timeout_seconds == 600
    events = client.receive(b"250 2.0.0 queued as 7\r\n")
    assert verdicts(events) == [DELIVERED]
    assert finished(events)[0].reply.text == "queued as 7"
    assert client.is_ready
    client.send(envelope(), BODY)
    assert client.take().startswith(b"MAIL FROM")


def test_without_pipelining_each_command_waits_for_its_reply():
    client = connected()
    client.send(envelope("b@example.net", "c@example.net"), BODY)
    written = [client.take()]
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"550 5.1.1 no\r\n", b"354 go\r\n"):
        assert client.receive(reply) == []
        written.append(client.take())
    assert written == [
        b"MAIL FROM:<a@example.com>\r\n",
        b"RCPT TO:<b@example.net>\r\n",
        b"RCPT TO:<c@example.net>\r\n",
        b"DATA\r\n",
        b"Subject: x\r\n\r\n..hello\r\n.\r\n",
    ]
    assert verdicts(client.receive(b"250 ok\r\n")) == [DELIVERED, FAILED]


def test_chunking_takes_one_round_trip_and_stuffs_no_dots():
    client = connected("PIPELINING", "CHUNKING")
    client.send(envelope(), BODY)
    assert client.take() == (
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nBDAT 22 LAST\r\n" + BODY
    )
    assert verdicts(client.receive(b"250 ok\r\n250 ok\r\n250 ok\r\n")) == [DELIVERED]


def test_a_streamed_body_is_asked_for_when_somebody_is_to_get_it():
    client = connected("PIPELINING")
    client.send(envelope(), None)
    client.take()
    assert client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == [BodyWanted()]
    client.write_body(b"a\r\n")
    client.write_body(b".b\r\n")
    client.end_body()
    assert client.take() == b"a\r\n..b\r\n.\r\n"
    assert verdicts(client.receive(b"250 ok\r\n")) == [DELIVERED]


def test_binary_mail_goes_in_chunks_as_it_is():
    client = connected("PIPELINING", "CHUNKING", "BINARYMIME")
    client.send(envelope(body=Body.BINARY), None)
    assert client.take() == (
        b"MAIL FROM:<a@example.com> BODY=BINARYMIME\r\nRCPT TO:<b@example.net>\r\n"
    )
    assert client.receive(b"250 ok\r\n250 ok\r\n") == [BodyWanted()]
    client.write_body(b"\n.\n")
    client.end_body()
    assert client.take() == b"BDAT 3\r\n\n.\nBDAT 0 LAST\r\n"
    assert verdicts(client.receive(b"250 ok\r\n250 ok\r\n")) == [DELIVERED]


def test_a_refused_chunk_ends_the_message():
    client = connected("CHUNKING", "BINARYMIME")
    client.send(envelope(body=Body.BINARY), None)
    client.receive(b"250 ok\r\n")
    client.receive(b"250 ok\r\n")
    client.write_body(b"x")
    assert verdicts(client.receive(b"552 5.3.4 too big\r\n")) == [FAILED]
    client.write_body(b"y")
    client.end_body()
    client.take()
    client.send(envelope(), BODY)
    assert client.take() == b"RSET\r\n"


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_when_nobody_is_accepted_the_next_message_begins_with_rset(extensions):
    client = connected(*extensions)
    client.send(envelope(), BODY)
    if extensions:
        events = client.receive(b"250 ok\r\n550 5.1.1 no\r\n503 no recipients\r\n")
    else:
        client.receive(b"250 ok\r\n")
        events = client.receive(b"550 5.1.1 no\r\n")
    (outcome,) = finished(events)
    assert (outcome.verdict, outcome.stage, outcome.reply.enhanced) == (FAILED, Stage.RCPT, "5.1.1")
    client.take()
    client.send(envelope(), BODY)
    assert client.take().startswith(b"RSET\r\n")
    client.receive(b"250 ok\r\n")
    assert client.timeout_seconds == 300


def test_354_without_a_recipient_is_answered_with_an_empty_message():
    client = connected("PIPELINING")
    client.send(envelope(), BODY)
    client.take()
    assert client.receive(b"250 ok\r\n450 4.2.1 later\r\n354 go\r\n") == []
    assert client.take() == b".\r\n"
    assert verdicts(client.receive(b"554 no valid recipients\r\n")) == [DEFERRED]
    assert client.is_ready


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 ok\r\n", [DELIVERED, FAILED]),
        (b"250 ok\r\n450 later\r\n250 ok\r\n354 go\r\n250 ok\r\n", [DEFERRED, DELIVERED]),
        (b"250 ok\r\n552 too many\r\n550 no\r\n503 no\r\n", [DEFERRED, FAILED]),
        (b"250 ok\r\n552 5.2.2 full\r\n550 no\r\n503 no\r\n", [FAILED, FAILED]),
        (b"550 go away\r\n503 no\r\n503 no\r\n503 no\r\n", [FAILED, FAILED]),
        (b"451 wait\r\n503 no\r\n503 no\r\n503 no\r\n", [DEFERRED, DEFERRED]),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n554 spam\r\n", [FAILED, FAILED]),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n451 wait\r\n", [DEFERRED, DEFERRED]),
        (b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n554 spam\r\n", [FAILED, FAILED]),
        (b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n452 full\r\n", [DEFERRED, FAILED]),
        (b"250 ok\r\n550 no\r\n421 bye\r\n", [FAILED, DEFERRED]),
        (b"250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n421 bye\r\n", [FAILED, DEFERRED]),
        (b"250 ok\r\n550 no\r\n250 ok\r\n250 what\r\n", [FAILED, DEFERRED]),
        (b"250 ok\r\n550 no\r\nwhat\r\n", [FAILED, DEFERRED]),
        (b"354 go\r\n", [DEFERRED, DEFERRED]),
    ],
)
@pytest.mark.spec("S-054")
@pytest.mark.spec("S-040")
def test_each_recipient_has_its_own_outcome(replies, expected):
    client = connected("PIPELINING")
    client.send(envelope("b@example.net", "c@example.net"), BODY)
    assert verdicts(client.receive(replies)) == expected


def test_closing_in_the_middle_defers_all_that_were_not_answered():
    client = connected("PIPELINING")
    client.send(envelope("b@example.net", "c@example.net"), BODY)
    client.receive(b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
    events = client.closed()
    assert verdicts(events) == [DEFERRED, FAILED]
    assert finished(events)[0].stage is Stage.END_OF_DATA
    assert events[-1] == Closed()
    assert client.closed() == []


def test_silence_defers():
    client = connected()
    client.send(envelope(), BODY)
    assert client.timeout_seconds == 300
    assert verdicts(client.timed_out()) == [DEFERRED]


def test_a_refusal_in_mid_body_is_the_answer():
    client = connected("PIPELINING")
    client.send(envelope(), None)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.write_body(b"a lot")
    events = client.receive(b"552 5.3.4 too big\r\n")
    assert verdicts(events) == [FAILED]
    assert client.is_closed


@pytest.mark.parametrize(
    ("greeting", "stage"),
    [
        (b"554 5.7.1 go away\r\n", Stage.GREETING),
        (b"421 busy\r\n", Stage.GREETING),
        (b"SSH-2.0\r\n", Stage.GREETING),
        (b"220 hi\r\n450 wait\r\n", Stage.HELLO),
    ],
)
def test_a_server_that_refuses_the_session(greeting, stage):
    client = SmtpClient(helo="mx.example.com")
    *_, refused, closed = client.receive(greeting)
    assert isinstance(refused, SessionRefused)
    assert refused.stage is stage
    assert closed == Closed()


def test_helo_is_for_servers_that_know_no_ehlo():
    client = SmtpClient(helo="mx.example.com")
    client.receive(b"220 hi\r\n")
    client.receive(b"502 what?\r\n")
    assert client.take().endswith(b"HELO mx.example.com\r\n")
    assert client.receive(b"250 hi\r\n") == [Ready()]
    client.send(envelope(ret="FULL", body=Body.EIGHT_BIT), BODY)
    assert client.take() == b"MAIL FROM:<a@example.com>\r\n"


def greeted(tls, *extensions):
    client = SmtpClient(helo="mx.example.com", tls=tls)
    client.receive(b"220 hi\r\n")
    lines = "".join(f"250-{name}\r\n" for name in ("hi", *extensions))
    return client, client.receive(f"{lines}250 HELP\r\n".encode())


@pytest.mark.spec("S-055")
def test_starttls_is_used_when_offered_and_what_was_learnt_before_is_forgotten():
    client, events = greeted(Tls.IF_OFFERED, "STARTTLS", "CHUNKING")
    assert events == []
    assert client.take().endswith(b"STARTTLS\r\n")
    assert client.receive(b"220 go\r\n") == [StartTls()]
    assert client.tls_started() == []
    assert client.take() == b"EHLO mx.example.com\r\n"
    assert client.receive(b"250-hi\r\n250 PIPELINING\r\n") == [Ready()]
    assert client.is_encrypted
    assert client.extensions == {"PIPELINING": ""}


def test_refused_starttls_falls_back_to_clear_only_when_tls_is_not_required():
    client, _ = greeted(Tls.IF_OFFERED, "STARTTLS")
    assert client.receive(b"454 not now\r\n") == [Ready()]
    client, _ = greeted(Tls.REQUIRED, "STARTTLS")
    refused, closed = client.receive(b"454 not now\r\n")
    assert (refused.stage, closed) == (Stage.TLS, Closed())
    client, events = greeted(Tls.REQUIRED)
    assert [type(event) for event in events] == [SessionRefused, Closed]
    assert client.take().endswith(b"QUIT\r\n")


@pytest.mark.parametrize("more", [b"250 injected\r\n", b"250-half"])
def test_bytes_in_clear_after_the_220_of_starttls_are_an_attack(more):
    client, _ = greeted(Tls.IF_OFFERED, "STARTTLS")
    events = client.receive(b"220 go\r\n" + more)
    assert [type(event) for event in events] == [StartTls, SessionRefused, Closed]
    assert client.is_closed


def test_size_limit_is_obeyed_without_asking():
    client = connected("SIZE 10")
    (outcome,) = finished(client.send(envelope(), BODY))
    assert (outcome.verdict, outcome.reply.enhanced, outcome.by_peer) == (FAILED, "5.3.4", False)
    assert client.is_ready
    assert client.take() == b""


@pytest.mark.parametrize(
    ("sender", "recipient", "options", "enhanced"),
    [
        ("a@example.com", "ü@example.net", {}, "5.6.7"),
        ("ü@example.com", "b@example.net", {}, "5.6.7"),
        ("a@example.com", "b@example.net", {"needs_smtputf8": True}, "5.6.7"),
        ("a@example.com", "b@example.net", {"body": Body.BINARY}, "5.6.3"),
        ("a@example.com", "b@example.net>\r\nRCPT TO:<c@example.net", {}, "5.1.3"),
        ("a@example.com\r\nRSET", "b@example.net", {}, "5.1.7"),
    ],
)
def test_what_the_server_cannot_take_fails_at_once(sender, recipient, options, enhanced):
    client = connected()
    (outcome,) = finished(client.send(envelope(recipient, sender=sender, **options), BODY))
    assert (outcome.verdict, outcome.reply.enhanced) == (FAILED, enhanced)
    assert client.take() == b""


def test_internationalized_addresses():
    client = connected("SMTPUTF8", "8BITMIME")
    client.send(envelope("ü@example.net", body=Body.EIGHT_BIT), BODY)
    assert client.take() == b"MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8\r\n"
    client = connected()
    client.send(envelope("b@bücher.example"), BODY)
    client.receive(b"250 ok\r\n")
    assert client.take().endswith(b"RCPT TO:<b@xn--bcher-kva.example>\r\n")


def test_dsn_parameters_are_sent_where_they_are_understood():
    recipient = OutgoingRecipient("b@example.net", "SUCCESS,DELAY", "rfc822;B+1@Example.NET")
    sent = OutgoingEnvelope("", (recipient,), size_bytes=3, ret="HDRS", envid="a =1")
    client = connected("DSN", "PIPELINING")
    client.send(sent, BODY)
    assert client.take() == (
        b"MAIL FROM:<> RET=HDRS ENVID=a+20+3D1\r\n"
        b"RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2B1@Example.NET\r\nDATA\r\n"
    )
    client = connected("PIPELINING")
    client.send(sent, BODY)
    assert client.take() == b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"


def test_limits_extension_tells_how_many_recipients():
    assert connected("LIMITS RCPTMAX=5 MAILMAX=3").max_recipients == 5
    assert connected("LIMITS RCPTMAX=x").max_recipients is None
    assert connected().max_recipients is None


def test_quit_ends_the_session():
    client = connected()
    client.quit()
    assert client.take() == b"QUIT\r\n"
    assert client.receive(b"221 bye\r\n") == [Closed()]
    with pytest.raises(ClientMisused):
        client.send(envelope(), BODY)


def test_a_421_while_idle_closes():
    assert connected().receive(b"421 too long idle\r\n") == [Closed()]


REPLIES = st.sampled_from(
    [b"220 x\r\n", b"250 x\r\n", b"250-a\r\n", b"250-PIPELINING\r\n", b"250-CHUNKING\r\n"]
    + [b"250-STARTTLS\r\n", b"250 SIZE 5\r\n", b"354 x\r\n", b"421 x\r\n", b"450 x\r\n"]
    + [b"550 x\r\n", b"552 x\r\n", b"334 x\r\n", b"250-DSN\r\n", b"250-BINARYMIME\r\n"]
)


@settings(max_examples=400)
@given(
    st.lists(REPLIES | REPLIES | REPLIES | st.binary(max_size=12), max_size=25),
    st.sampled_from(list(Tls)),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(list(Body)),
)
def test_whatever_the_server_says_every_recipient_ends_once(said, tls, count, streamed, body):
    client = SmtpClient(helo="mx.example.com", tls=tls)
    sent = envelope(*(f"r{n}@example.net" for n in range(count)), body=body)
    asked, answered = 0, 0
    todo = [*said, None]
    while todo:
        chunk = todo.pop(0)
        events = client.closed() if chunk is None else client.receive(chunk)
        while events:
            event = events.pop(0)
            if isinstance(event, StartTls) and not client.is_closed:
                events += client.tls_started()
            elif isinstance(event, BodyWanted):
                client.write_body(BODY)
                client.end_body()
            elif isinstance(event, Finished):
                answered += 1
                assert len(event.outcomes) == count
            if client.is_ready:
                asked += 1
                events += client.send(sent, None if streamed else BODY)
                if client.is_ready and asked > 50:
                    break
        client.take()
    assert client.is_closed
    assert asked == answered


def logging_in(*extensions, tls=Tls.ALREADY):
    def choose(offered, is_encrypted):
        name = sasl_client.choose(offered, is_encrypted=is_encrypted)
        return name and sasl_client.begin(name, "user", "secret")

    client = SmtpClient(helo="mx.example.com", tls=tls, choose_sasl=choose)
    client.receive(b"220 hi\r\n")
    client.take()
    lines = "".join(f"250-{name}\r\n" for name in ("hi", *extensions))
    return client, client.receive(f"{lines}250 HELP\r\n".encode())


@pytest.mark.spec("G-003")
def test_login_with_an_initial_response():
    client, _ = logging_in("AUTH PLAIN LOGIN")
    assert client.take() == b"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"
    assert client.receive(b"235 2.7.0 in\r\n") == [Ready()]


def test_login_by_questions():
    client, _ = logging_in("AUTH=LOGIN")
    assert client.take() == b"AUTH LOGIN\r\n"
    client.receive(b"334 VXNlcm5hbWU6\r\n")
    assert client.take() == b"dXNlcg==\r\n"
    client.receive(b"334 UGFzc3dvcmQ6\r\n")
    assert client.take() == b"c2VjcmV0\r\n"
    refused, _ = client.receive(b"535 5.7.8 wrong\r\n")
    assert (refused.stage, refused.reply.enhanced, refused.by_peer) == (Stage.AUTH, "5.7.8", True)


def test_a_secret_is_not_sent_in_clear():
    _, events = logging_in("AUTH PLAIN LOGIN", tls=Tls.NEVER)
    assert isinstance(events[0], SessionRefused)


@pytest.mark.parametrize("challenge", [b"334 not base64!\r\n", b"334 cj14\r\n", b"334 \xff\r\n"])
def test_a_challenge_that_makes_no_sense_is_cancelled(challenge):
    client, _ = logging_in("AUTH SCRAM-SHA-256")
    client.take()
    client.receive(challenge)
    assert client.take() == b"*\r\n"


def test_a_server_that_skips_the_proof_of_scram_is_not_trusted():
    client, _ = logging_in("AUTH SCRAM-SHA-256")
    refused, _ = client.receive(b"235 2.7.0 in\r\n")
    assert (refused.stage, refused.by_peer) == (Stage.AUTH, False)


def test_endless_challenges_end():
    client, _ = logging_in("AUTH CRAM-MD5")
    for _ in range(20):
        client.receive(b"334 PDE+\r\n")
    assert client.is_closed
