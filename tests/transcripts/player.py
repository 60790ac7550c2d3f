"""Plays a written conversation against a running server.

`C: line` is sent with CRLF; lines that follow each other go in one packet. `C~ bytes` is sent as it
is, with Python's escapes. `S: line` must come; `...` stands for anything. `S: (closed)` is the end
of the connection. `@ word value` tells the test something; `#` begins a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Transcript:
    facts: dict[str, str] = field(default_factory=dict)
    steps: list[tuple[str, bytes]] = field(default_factory=list)  # who, what


def read_transcript(path: Path) -> Transcript:
    transcript = Transcript()
    for line in path.read_text().splitlines():
        mark, text = line[:2], line[3:]
        if mark == "C:":
            _send(transcript, text.encode() + b"\r\n")
        elif mark == "C~":
            _send(transcript, text.encode().decode("unicode_escape").encode("latin-1"))
        elif mark == "S:":
            transcript.steps.append(("S", text.encode()))
        elif mark == "@ ":
            word, _, value = line[2:].partition(" ")
            transcript.facts[word] = value
        else:
            assert not line or line.startswith("#"), line
    return transcript


def _send(transcript, octets):
    if transcript.steps and transcript.steps[-1][0] == "C":
        octets = transcript.steps.pop()[1] + octets
    transcript.steps.append(("C", octets))


def play(transcript: Transcript, connection) -> None:
    """`connection` is a connected socket; it is closed afterwards."""
    with connection, connection.makefile("rb") as replies:
        for who, what in transcript.steps:
            if who == "C":
                connection.sendall(what)
            elif what == b"(closed)":
                assert replies.read(1) == b""
            else:
                line = replies.readline()
                pattern = re.escape(what).replace(rb"\.\.\.", b".*")
                assert re.fullmatch(pattern + b"\r\n", line, re.DOTALL), (what, line)
