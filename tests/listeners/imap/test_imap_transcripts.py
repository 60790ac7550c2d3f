"""Conversations that any mail administrator can read: tests/transcripts/imap."""

import socket
from pathlib import Path

import pytest

from tests.listeners.imap.conftest import HOSTS
from tests.transcripts.talks import play

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "transcripts" / "imap").glob("*.txt"))


@pytest.mark.spec("N-041")
@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_conversation_goes_as_written(path, imap):
    play(path, lambda: socket.create_connection((HOSTS["plain"], imap.ports["plain"]), 20))
