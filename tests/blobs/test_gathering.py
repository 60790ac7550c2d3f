"""Who shares a group: what one turn of the loop brings, and what has been announced."""

import asyncio

import pytest

from blobs import gathering
from blobs.committer import Job
from blobs.gathering import Gathering
from blobs.group import Entry

LONG_SECONDS = 60.0


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is, time decides nothing."""
    for name in ("GATHER_SECONDS", "COMING_SECONDS", "SWIFT_SECONDS"):
        monkeypatch.setattr(gathering, name, LONG_SECONDS)


@pytest.fixture
def groups():
    return []


@pytest.fixture
async def gathered(groups):
    return Gathering(asyncio.get_running_loop(), lambda entries: groups.append(names(entries)))


def names(entries):
    return [entry.submitter for entry in entries]


def entry(number):
    return Entry(Job(), asyncio.get_running_loop().create_future(), None, number)


async def some_turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_one_turn_brings_is_one_group(gathered, groups):
    gathered.add(entry(1))
    gathered.add(entry(2))
    await some_turns()
    gathered.add(entry(3))
    await some_turns()
    assert groups == [[1, 2], [3]]


async def test_what_has_been_announced_is_waited_for_and_nothing_longer(gathered, groups, patient):
    gathered.announce(2)
    gathered.announce(3)
    gathered.add(entry(1))
    await some_turns()
    gathered.retract(2)
    gathered.add(entry(2))
    await some_turns()
    assert groups == []
    gathered.retract(3)
    gathered.add(entry(3))
    await some_turns()
    assert groups == [[1, 2, 3]]


async def test_what_is_announced_while_a_group_waits_is_of_the_next_one(gathered, groups, patient):
    gathered.announce(2)
    gathered.add(entry(1))
    await some_turns()
    gathered.announce(3)
    gathered.retract(2)
    await some_turns()
    assert groups == [[1]]


async def test_what_does_not_come_is_waited_for_a_moment(gathered, groups, patient, monkeypatch):
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 0.05)
    clock = asyncio.get_running_loop().time
    gathered.announce(2)
    gathered.add(entry(1))
    began_at = clock()
    while not groups and clock() < began_at + LONG_SECONDS:
        await asyncio.sleep(0.001)
    assert groups == [[1]]
    assert clock() - began_at > 0.04
    gathered.retract(2)
    gathered.retract(2)
    await some_turns()
    assert groups == [[1]]


async def test_what_was_announced_long_ago_is_not_waited_for(
    gathered, groups, patient, monkeypatch
):
    monkeypatch.setattr(gathering, "COMING_SECONDS", 0.005)
    gathered.announce(2)
    await asyncio.sleep(0.01)
    gathered.add(entry(1))
    await some_turns()
    assert groups == [[1]]


async def test_who_usually_takes_long_is_not_waited_for(gathered, groups, patient, monkeypatch):
    monkeypatch.setattr(gathering, "SWIFT_SECONDS", 0.015)
    keys = range(2, 2 + 4 * gathering.MEMORY)
    for key in keys:
        gathered.announce(key)
    await asyncio.sleep(0.03)
    for key in keys:
        gathered.retract(key)
    gathered.announce(1)
    gathered.add(entry(1))
    await some_turns()
    assert groups == [[1]]
