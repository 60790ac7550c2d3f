"""One line of a log: JSON, so that nothing in mail can look like a line of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

LONGEST_TEXT = 2_000  # characters


class Line(msgspec.Struct, frozen=True):
    """What one line says. `domains` are those whose administrators may read it (M-080)."""

    time: str  # ISO 8601, UTC, milliseconds
    text: str
    session: str = ""
    domains: tuple[str, ...] = ()

    def shown(self) -> str:
        """As people read it."""
        return f"{self.time} {self.session or '-'} {self.text}"


class LineMalformed(Exception):
    """Not a line of ours, such as half a line after a power cut."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def encode(at: float, text: str, session: int, domains: tuple[str, ...]) -> bytes:
    """`at` in seconds since 1970; ends with a line feed."""
    line = Line(
        f"{_clock(int(at))}.{int(at * 1000) % 1000:03d}Z",
        text[:LONGEST_TEXT].encode("utf-8", "replace").decode(),
        f"{session:x}" if session else "",
        domains,
    )
    return _encoder.encode(line) + b"\n"


@lru_cache(maxsize=4)  # many lines are of the same second
def _clock(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def decode(octets: bytes) -> Line:
    """Raises LineMalformed."""
    try:
        return _decoder.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LineMalformed(str(error)) from error
