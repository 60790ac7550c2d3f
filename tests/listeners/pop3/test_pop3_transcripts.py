"""Conversations that any mail administrator can read: tests/transcripts/pop3."""

import socket
from pathlib import Path

import pytest

from tests.listeners.pop3.conftest import FIRST, SECOND, THIRD
from tests.transcripts.player import play, read_transcript

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "transcripts" / "pop3").glob("*.txt"))


@pytest.mark.spec("N-030", "N-007", "N-010", "N-011")
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_conversation_goes_as_written(path, pop, put):
    put(FIRST, SECOND, THIRD)
    play(read_transcript(path), socket.create_connection(("127.0.0.1", pop.ports["plain"]), 20))
