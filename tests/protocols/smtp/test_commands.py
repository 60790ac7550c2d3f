"""Command lines of SMTP as clients send them. RFC 5321 §4.1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.address import Address
from protocols.smtp import replies
from protocols.smtp.commands import (
    LEGAL,
    Auth,
    Bdat,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Mail,
    Malformed,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    State,
    Vrfy,
    parse,
)
from protocols.smtp.parameters import (
    Body,
    MailParameters,
    Notify,
    OriginalRecipient,
    RcptParameters,
    Return,
    decode_xtext,
    encode_xtext,
)

ANNE = Address("anne", "example.com")


@pytest.mark.spec("N-021")
@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"EHLO client.example", Ehlo("client.example")),
        (b"ehlo [192.0.2.1]", Ehlo("[192.0.2.1]")),
        (b"HELO under_score ", Helo("under_score")),
        (b"MAIL FROM:<anne@example.com>", Mail(ANNE)),
        (b"mail from: <anne@EXAMPLE.com>", Mail(ANNE)),
        (b"MAIL FROM:<>", Mail(None)),
        (b"RCPT TO:<anne@example.com>", Rcpt(ANNE)),
        (b"RCPT TO:<Postmaster>", Rcpt(Address("postmaster", ""))),
        (b"RCPT TO:<@a.example,@b.example:anne@example.com>", Rcpt(ANNE)),
        (b'RCPT TO:<"a> b"@example.com>', Rcpt(Address("a> b", "example.com"))),
        (b"DATA", Data()),
        (b"data ", Data()),
        (b"BDAT 100", Bdat(100, False)),
        (b"bdat 0 last", Bdat(0, True)),
        (b"RSET", Rset()),
        (b"NOOP whatever", Noop()),
        (b"VRFY anne", Vrfy()),
        (b"EXPN staff", Expn()),
        (b"HELP", Help()),
        (b"QUIT", Quit()),
        (b"STARTTLS", StartTls()),
        (b"AUTH PLAIN AGEAYg==", Auth("PLAIN", b"AGEAYg==")),
        (b"auth login", Auth("LOGIN", None)),
        (b"AUTH PLAIN =", Auth("PLAIN", b"=")),
    ],
)
def test_commands_are_read(line, command):
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"", replies.NOT_RECOGNISED),
        (b"FROB", replies.NOT_RECOGNISED),
        (b"MAILFROM:<a@b>", replies.NOT_RECOGNISED),
        (b"STARTTLSX", replies.NOT_RECOGNISED),
        (b"\xff\xff\xff\xff", replies.NOT_RECOGNISED),
        (b"STARTTLS now", replies.NO_ARGUMENT_ALLOWED),
        (b"EHLO", replies.BAD_SYNTAX),
        (b"EHLO a b", replies.BAD_SYNTAX),
        (b"EHLO a(b)", replies.BAD_SYNTAX),
        (b"EHLO a\rb", replies.BAD_LINE),
        (b"NOOP\nMAIL FROM:<a@b>", replies.BAD_LINE),
        (b"NOOP " + b"x" * 506, replies.LINE_TOO_LONG),
        (b"MAIL FROM:<" + b"x" * 2048, replies.LINE_TOO_LONG),
        (b"MAIL anne@example.com", replies.MALFORMED_SENDER),
        (b"MAIL FROM:anne@example.com", replies.MALFORMED_SENDER),
        (b"MAIL FROM:<anne>", replies.MALFORMED_SENDER),
        (b"MAIL FROM:<a@b@c>", replies.MALFORMED_SENDER),
        (b"MAIL FROM:<anne@example.com", replies.MALFORMED_SENDER),
        (b"MAIL FROM:<anne@example.com>SIZE=1", replies.MALFORMED_SENDER),
        (b"MAIL FROM:<\0@example.com>", replies.BAD_LINE),
        (b"MAIL FROM:<a@example.com> SIZE", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> SIZE=1 size=2", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> SIZE=-1", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> BODY=9BIT", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> RET=SOME", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> MT-PRIORITY=10", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> AUTH=+3", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> ENVID=a+0Ab", replies.BAD_PARAMETER),
        (b"MAIL FROM:<a@example.com> REQUIRETLS", replies.UNKNOWN_PARAMETER),
        (b"MAIL FROM:<a@example.com> NOTIFY=NEVER", replies.UNKNOWN_PARAMETER),
        ("MAIL FROM:<ånne@example.com>".encode(), replies.NON_ASCII_ADDRESS),
        (b"MAIL FROM:<\xe5nne@example.com>", replies.BAD_SYNTAX),
        (b"RCPT TO:<>", replies.MALFORMED_RECIPIENT),
        (b"RCPT FROM:<anne@example.com>", replies.MALFORMED_RECIPIENT),
        (b"RCPT TO:anne@example.com", replies.MALFORMED_RECIPIENT),
        (b"RCPT TO:<anne@example.com> NOTIFY=NEVER,DELAY", replies.BAD_PARAMETER),
        (b"RCPT TO:<anne@example.com> ORCPT=rfc822", replies.BAD_PARAMETER),
        (b"RCPT TO:<anne@example.com> SIZE=1", replies.UNKNOWN_PARAMETER),
        (b"DATA now", replies.NO_ARGUMENT_ALLOWED),
        (b"BDAT", replies.BAD_SYNTAX),
        (b"BDAT -1", replies.BAD_SYNTAX),
        (b"BDAT 99999999999999999999", replies.BAD_SYNTAX),
        (b"BDAT 1 FIRST", replies.BAD_SYNTAX),
        (b"AUTH", replies.BAD_SYNTAX),
        (b"AUTH PLAIN *", replies.BAD_SYNTAX),
        (b"VRFY", replies.BAD_SYNTAX),
    ],
)
def test_what_is_no_command_is_refused(line, reply):
    with pytest.raises(Malformed) as refused:
        parse(line)
    assert refused.value.reply == reply


@pytest.mark.spec("N-021")
def test_mail_parameters_of_all_extensions():
    mail = parse(
        b"MAIL FROM:<anne@example.com> SIZE=2048 BODY=8bitmime SMTPUTF8 RET=HDRS "
        b"ENVID=QQ+2B314159 AUTH=anne+3Dx@example.com MT-PRIORITY=-4"
    )
    assert mail.parameters == MailParameters(
        size_bytes=2048,
        body=Body.EIGHT_BIT_MIME,
        smtputf8=True,
        returns=Return.HEADERS,
        envelope_id="QQ+314159",
        submitter="anne=x@example.com",
        priority=-4,
    )
    assert parse(b"MAIL FROM:<> AUTH=<>").parameters.submitter == ""


@pytest.mark.spec("N-021")
def test_rcpt_parameters_of_dsn():
    rcpt = parse(
        b"RCPT TO:<anne@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Anne+2Bx@example.com"
    )
    assert rcpt.parameters == RcptParameters(
        notify=Notify.SUCCESS | Notify.DELAY,
        original_recipient=OriginalRecipient("rfc822", "Anne+x@example.com"),
    )
    assert parse(b"RCPT TO:<a@b.example> NOTIFY=never").parameters.notify is Notify.NEVER


@pytest.mark.parametrize(
    "value", [b"utf-8;\\x{E5}nne@example.com", "utf-8;ånne@example.com".encode()]
)
def test_orcpt_of_rfc_6533_in_both_encodings(value):
    rcpt = parse(b"RCPT TO:<anne@example.com> ORCPT=" + value)
    assert rcpt.parameters.original_recipient == OriginalRecipient("utf-8", "ånne@example.com")


def test_non_ascii_sender_is_taken_with_smtputf8():
    mail = parse("MAIL FROM:<ånne@bücher.example> SMTPUTF8".encode())
    assert mail.sender == Address("ånne", "xn--bcher-kva.example")


def test_a_password_does_not_show_in_logs():
    assert "AGE" not in repr(parse(b"AUTH PLAIN AGEAYg=="))


def test_every_state_knows_what_is_legal():
    assert set(LEGAL) == set(State)
    assert Data not in LEGAL[State.MAIL]
    assert Auth not in LEGAL[State.RCPT]
    assert Data not in LEGAL[State.CHUNKS]


@given(st.from_regex(r"[ -~]*", fullmatch=True))
@settings(max_examples=200)
def test_xtext_encode_and_decode_are_opposites(text):
    assert decode_xtext(encode_xtext(text)) == text


@given(st.text(st.characters(min_codepoint=33, categories=["L", "N", "P", "S"]), min_size=1))
@settings(max_examples=200)
def test_an_original_recipient_survives_the_wire(address):
    original = OriginalRecipient("utf-8", address[:60])
    rcpt = parse(f"RCPT TO:<a@b.example> ORCPT={original.encode()}".encode())
    assert rcpt.parameters.original_recipient == original


VERBS = [b"EHLO ", b"MAIL FROM:<", b"RCPT TO:<", b"RCPT TO:<a@b> ", b"BDAT ", b"AUTH ", b"MAIL "]


@given(st.sampled_from(VERBS), st.binary(max_size=120))
@settings(max_examples=300)
def test_any_bytes_are_a_command_or_malformed(verb, tail):
    for line in (verb + tail, tail, verb + tail + b"> SIZE=1", verb + tail + b"@example.com>"):
        try:
            parse(line)
        except Malformed as error:
            assert error.reply.code in (500, 501, 553, 555)


def test_replies_repeat_code_and_enhanced_code_on_every_line():
    reply = replies.Reply(550, "5.7.1", "First\nSecond")
    assert reply.encode() == b"550-5.7.1 First\r\n550 5.7.1 Second\r\n"


def test_every_named_reply_has_a_matching_enhanced_code():
    for name, reply in vars(replies).items():
        if isinstance(reply, replies.Reply):
            if reply.code in (334, 354):
                assert reply.enhanced == "", name
            else:
                assert reply.enhanced[0] == str(reply.code)[0], name
