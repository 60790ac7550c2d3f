"""Plays a written conversation of several clients with a running server, one line at a time.

`C1: line` is sent by client 1 with CRLF, `C1~ bytes` as it is with Python's escapes; `S1: line`
must come to it, where `...` stands for anything. `S1: (closed)` is the end of its connection, and
`S1: (silence)` says that nothing comes for a moment. `#` begins a comment.
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

SILENCE_SECONDS = 0.2
_STEP = re.compile(r"([CS])(\d)([:~]) ?(.*)")


def play(path: Path, connect: Callable[[], Any]) -> None:
    """`connect` opens a connected socket for each client when it is first named."""
    clients: dict[str, tuple[Any, Any]] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        step = _STEP.fullmatch(line)
        assert step is not None, f"{path.name}:{number}: {line}"
        who, name, mark, text = step.groups()
        if name not in clients:
            connection = connect()
            clients[name] = connection, connection.makefile("rb", buffering=0)
        connection, lines = clients[name]
        where = f"{path.name}:{number}"
        if who == "S":
            _expect(where, text, connection, lines)
        elif mark == "~":
            connection.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
        else:
            connection.sendall(text.encode() + b"\r\n")
    for connection, lines in clients.values():
        lines.close()
        connection.close()


def _expect(where: str, text: str, connection: Any, lines: Any) -> None:
    if text == "(silence)":
        assert not select.select([connection], [], [], SILENCE_SECONDS)[0], where
        return
    line = lines.readline()
    if text == "(closed)":
        assert line == b"", (where, line)
        return
    pattern = re.escape(text.encode()).replace(rb"\.\.\.", b".*")
    assert re.fullmatch(pattern + b"\r\n", line, re.DOTALL), (where, text, line)
