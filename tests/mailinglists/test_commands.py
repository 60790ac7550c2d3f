from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailinglists import commands
from mailinglists.commands import (
    Approve,
    Asked,
    Confirm,
    Help,
    Lists,
    Malformed,
    Refuse,
    SetMode,
    Subscribe,
    Unsubscribe,
    Which,
    Who,
)
from mailinglists.models import Mode

TOKEN = "abcdefghijklmnopqrstuvwxyz2"

words = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}[a-z0-9]", fullmatch=True)
names = st.lists(st.from_regex(r"[A-Za-z]{1,10}", fullmatch=True), max_size=3).map(" ".join)
tokens = st.from_regex(r"[a-z0-9]{20,60}", fullmatch=True)
any_command = st.one_of(
    st.builds(Subscribe, words, names),
    st.builds(Unsubscribe, words),
    st.builds(Lists),
    st.builds(Help, st.just("") | words),
    st.builds(SetMode, st.sampled_from(Mode), words),
    st.builds(Who, words),
    st.builds(Which),
    st.builds(Confirm, tokens),
    st.builds(Approve, tokens),
    st.builds(Refuse, tokens, names),
)


def read(text: str) -> list[commands.Command]:
    return [one.command for one in commands.parse(text)]


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("subscribe news", Subscribe("news")),
        ("SUBSCRIBE News Anne  Miller", Subscribe("News", "Anne Miller")),
        ("subscribe", Subscribe()),
        ("unsubscribe news@one.example", Unsubscribe("news@one.example")),
        ("unsubscribe news.", Unsubscribe("news")),
        ("list", Lists()),
        ("lists", Lists()),
        ("help", Help()),
        ("help news", Help("news")),
        ("set mode digest news", SetMode(Mode.DIGEST, "news")),
        ("Set Mode Standard news", SetMode(Mode.STANDARD, "news")),
        ("set digest news", Malformed(commands.USAGES["set"])),
        ("who news", Who("news")),
        ("review news", Who("news")),
        ("which", Which()),
        (f"confirm {TOKEN}", Confirm(TOKEN)),
        (f"confirm {TOKEN.upper()}", Confirm(TOKEN)),
        (f"approve {TOKEN}", Approve(TOKEN)),
        (f"refuse {TOKEN} off  topic", Refuse(TOKEN, "off topic")),
        ("refuse", Malformed(commands.USAGES["refuse"])),
        ("confirm", Malformed(commands.USAGES["confirm"])),
        ("confirm x", Malformed(commands.USAGES["confirm"])),
    ],
)
def test_each_command_is_read(line: str, command: commands.Command):
    assert commands.parse(line) == [Asked(" ".join(line.split()), command)]


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_reading_ends_at_a_signature():
    assert read("which\n-- \nlists") == [Which()]
    assert read("which\r\n--\r\nlists") == [Which()]
    assert read("which\nend\nlists") == [Which()]


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_reading_ends_at_the_first_other_line_behind_a_command():
    assert read("Hello,\n\nwhich\nthank you\nlists") == [Which()]
    assert read("Hello,\nthere is nothing to do here") == []


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_twenty_lines_are_read_and_no_more():
    lines = [f"subscribe list{number}" for number in range(30)]
    assert len(read("\n".join(lines))) == commands.MOST_LINES
    assert read("\n".join(["words"] * 20 + ["which"])) == []


def test_what_is_asked_twice_is_done_once():
    assert read("which\nWhich\nwhich") == [Which()]


@pytest.mark.spec("L-038")
def test_a_reply_brings_the_code_back_in_its_subject_or_its_quoted_text():
    assert commands.tokens_in(f"Re: confirm {TOKEN}") == [TOKEN]
    assert commands.tokens_in(f"> > confirm {TOKEN}\n> confirm {TOKEN}") == [TOKEN]
    assert commands.tokens_in(f"On Monday you wrote:\n>    confirm {TOKEN}") == [TOKEN]
    assert commands.tokens_in("please confirm soon") == []


@given(any_command)
def test_what_is_written_is_read_again(command: commands.Command):
    assert read(commands.encode(command)) == [command]


@given(st.text(max_size=500))
def test_any_text_is_read(text: str):
    asked = commands.parse(text)
    assert len(asked) <= commands.MOST_LINES
    assert len(commands.tokens_in(text)) <= commands.MOST_LINES
    for one in asked:
        assert "\n" not in one.line


@given(st.lists(any_command, max_size=5), st.text(max_size=50))
def test_what_stands_behind_the_signature_changes_nothing(asked: list[commands.Command], text: str):
    lines = "\n".join(commands.encode(one) for one in asked)
    assert read(f"{lines}\n-- \n{text}") == read(lines)
