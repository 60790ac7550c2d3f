"""What is true in the evening: an even ledger, a reason for every message, the world agrees."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from subprocess import CalledProcessError

from tests.crash.inspection import Broken, inspect
from tests.day.customers import (
    ANN,
    FAILED,
    HANDED_OVER,
    LOUD,
    PASSWORD,
    READERS,
    SAM,
    WORDS,
)
from tests.day.script import Day
from tests.running import RunningServer

DELIVERED = "It was put into the mailbox"
ENDS = (DELIVERED, HANDED_OVER, FAILED)
# Sessions that may be in the moment between the other side's 250 and our row, at each kill.
IN_FLIGHT = 50
ASKED_AT_ONCE = 400
_STORY = re.compile(r"^(?=Message \S+)", re.MULTILINE)
_NAMED = re.compile(r"^Message (\S+)(?: \(Message-ID <(\S+)>\))?")
_TO = re.compile(r"^  To (\S+?)(?: \(written to as [^)]*\))?:$", re.MULTILINE)
_REPORT = re.compile(r"was sent a report about .*: message (\S+)\.$", re.MULTILINE)
_EVEN = re.compile(r"Even: each of ([\d,]+) accepted")


@dataclass
class Story:
    """What `trace` tells of one message."""

    spool_id: str
    message_id: str
    text: str
    of: dict[str, str] = field(default_factory=dict)  # the part about each recipient

    @classmethod
    def read(cls, text: str) -> Story:
        named = _NAMED.match(text)
        assert named is not None, text
        _, *parts = _TO.split(text)
        return cls(named[1], named[2] or "", text, dict(zip(parts[::2], parts[1::2], strict=True)))


def judge(day: Day) -> Counter[str]:
    """How often each end was told. Raises Broken, AssertionError."""
    server = day.server
    local = [copy for copy in day.promises.accepted if copy.recipient in READERS]
    stories = ask(server, [letter.message_id for letter in day.letters])
    passing = {copy.message_id for copy in day.promises.accepted | day.promises.unknown}
    stories |= ask(server, [f"{name}@origin.test" for name in sorted(passing)])
    reports = [name for story in stories.values() for name in _REPORT.findall(story.text)]
    stories |= ask(server, reports)
    notices = ask(server, [f"admin@{sender.partition('@')[2]}" for sender in (ANN, LOUD, SAM)])
    told = {recipient for story in notices.values() for recipient in story.of}
    assert {"admin@flood.example", "admin@thrifty.example"} <= told, "warnings were lost"
    stories |= notices
    ends = _ends(stories.values())
    _judge_letters(day, stories)
    _judge_promises(day, stories)
    _judge_copies(day, stories)
    _judge_mailboxes(day, local)
    _judge_ledger(server, stories)
    return ends


def ask(server: RunningServer, names: list[str]) -> dict[str, Story]:
    """The stories by spool id; of a name that is unknown there is none."""
    found = {}
    for start in range(0, len(names), ASKED_AT_ONCE):
        try:
            told = server.manage("trace", *names[start : start + ASKED_AT_ONCE])
        except CalledProcessError as unknown:
            told = unknown.stdout
        for text in _STORY.split(told):
            if text.strip():
                story = Story.read(text)
                found[story.spool_id] = story
    return found


def _ends(stories: object) -> Counter[str]:
    """Each recipient has exactly one end, in words."""
    ends: Counter[str] = Counter()
    for story in stories:
        assert story.of, f"a message to nobody:\n{story.text}"
        for recipient, text in story.of.items():
            told = [end for end in ENDS if end in text]
            assert len(told) == 1, f"{recipient} has no end, or several:\n{story.text}"
            ends[told[0]] += 1
    return ends


def _judge_letters(day: Day, stories: dict[str, Story]) -> None:
    by_id = {story.message_id: story for story in stories.values()}
    waited = 0
    for letter in day.letters:
        story = by_id[letter.message_id]
        assert set(story.of) == set(letter.recipients), story.text
        for recipient in letter.recipients:
            for words in WORDS.get(recipient, (HANDED_OVER,)):
                assert words in story.of[recipient], f"no “{words}” in:\n{story.text}"
        if FAILED in story.text:
            assert _REPORT.search(story.text), f"nobody was told:\n{story.text}"
        waited += letter.sender == SAM and "it had to wait, for thrifty.example" in story.text
    assert waited, "no letter of the throttled domain tells why it waited"


def _judge_promises(day: Day, stories: dict[str, Story]) -> None:
    by_id = {story.message_id: story for story in stories.values()}
    for copy in day.promises.accepted:
        story = by_id[f"{copy.message_id}@origin.test"]
        assert copy.recipient in story.of, story.text


def _judge_copies(day: Day, stories: dict[str, Story]) -> None:
    """What the trace calls handed over has been taken, and nothing else; twice only by a kill."""
    told = {
        (story.message_id, recipient)
        for story in stories.values()
        for recipient, text in story.of.items()
        if HANDED_OVER in text
    }
    copies = day.neighbours.copies()
    assert copies.keys() == told, sorted(copies.keys() ^ told)[:10]
    twice = sum(number - 1 for number in copies.values())
    assert twice <= day.kills * IN_FLIGHT, f"{twice} copies came twice"


def _judge_mailboxes(day: Day, local: list[object]) -> None:
    promises = day.promises
    for fate in (promises.accepted, promises.unknown, promises.refused):
        fate -= {copy for copy in fate if copy.recipient not in READERS}
    found = inspect(day.server, promises, READERS, PASSWORD)
    if set(local) - found.keys():
        raise Broken("a mailbox lacks what was promised")


def _judge_ledger(server: RunningServer, stories: dict[str, Story]) -> None:
    even = _EVEN.search(server.manage("ledger"))
    assert even is not None
    accepted = int(even[1].replace(",", ""))
    explained = sum(len(story.of) for story in stories.values())
    assert explained == accepted, f"{accepted} accepted, {explained} explained"
