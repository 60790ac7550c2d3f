"""Conversations that any mail administrator can read: tests/transcripts/smtp."""

from pathlib import Path

import pytest

from tests.transcripts.player import play, read_transcript

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "transcripts" / "smtp").glob("*.txt"))


@pytest.mark.spec("N-021", "N-007", "D-044", "D-052", "D-036", "G-041")
@pytest.mark.spec("N-022")
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_conversation_goes_as_written(path, talk):
    transcript = read_transcript(path)
    one = talk(transcript.facts.get("purpose", "plain"), greets=False)
    play(transcript, one.socket)
