"""POP3 commands as the wire sends them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.pop3 import replies
from protocols.pop3.commands import (
    Auth,
    AuthResponse,
    Capa,
    Dele,
    List,
    Malformed,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
    parse,
    parse_auth_response,
)

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1)
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
NUMBERS = st.integers(1, 9_999_999_999)
COMMANDS = st.one_of(
    st.builds(User, WORDS),
    st.builds(Pass, PASSWORDS),
    st.builds(Auth, st.sampled_from(["PLAIN", "SCRAM-SHA-256"]), st.none() | st.binary()),
    st.builds(Top, NUMBERS, NUMBERS),
    *[st.builds(kind, NUMBERS) for kind in (Retr, Dele)],
    *[st.builds(kind, st.none() | NUMBERS) for kind in (List, Uidl)],
    *[st.just(kind()) for kind in (Auth, Stat, Noop, Rset, Capa, Stls, Utf8, Quit)],
)


@settings(max_examples=200, deadline=None)
@given(COMMANDS)
def test_what_is_encoded_is_read_back(command):
    assert parse(command.encode().removesuffix(b"\r\n")) == command


@settings(max_examples=200, deadline=None)
@given(st.none() | st.binary())
def test_a_sasl_response_is_read_back(response):
    line = AuthResponse(response).encode().removesuffix(b"\r\n")
    assert parse_auth_response(line) == AuthResponse(response)


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.builds(bytes.__add__, st.sampled_from([b"AUTH ", b"TOP "]), st.binary()))
def test_any_bytes_raise_nothing_but_malformed(line):
    for read in (parse, parse_auth_response):
        try:
            read(line)
        except Malformed as malformed:
            assert malformed.reply.encode().startswith(b"-ERR ")


def test_keywords_are_read_in_any_case():
    assert parse(b"retr 7") == Retr(7)
    assert parse(b"Auth plain =") == Auth("PLAIN", b"")


def test_a_password_keeps_its_spaces():
    assert parse(b"PASS  two words ") == Pass(" two words ")


def test_secrets_do_not_show_in_a_repr():
    assert "secret" not in repr([Pass("secret"), Auth("PLAIN", b"secret"), AuthResponse(b"secret")])


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"", replies.UNKNOWN_COMMAND),
        (b"APOP anne c4c9334bac560ecc979e58001b3e22fb", replies.UNKNOWN_COMMAND),
        (b"USER", replies.ARGUMENT_MISSING),
        (b"PASS", replies.ARGUMENT_MISSING),
        (b"RETR", replies.BAD_NUMBER),
        (b"RETR 0", replies.NO_SUCH_MESSAGE),
        (b"RETR -1", replies.BAD_NUMBER),
        (b"RETR 99999999999", replies.BAD_NUMBER),
        ("RETR \u0663".encode(), replies.BAD_NUMBER),
        (b"TOP 1", replies.ARGUMENT_MISSING),
        (b"STAT 1", replies.NO_ARGUMENT_EXPECTED),
        (b"USER anne\0", replies.BAD_SYNTAX),
        (b"USER anne\rQUIT", replies.BAD_SYNTAX),
        (b"USER \xff", replies.BAD_SYNTAX),
        (b"AUTH PLAIN !", replies.BAD_BASE64),
        (b"AUTH PLAIN = =", replies.BAD_SYNTAX),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(line, reply):
    with pytest.raises(Malformed) as refused:
        parse(line)
    assert refused.value.reply is reply
