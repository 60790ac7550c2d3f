"""Whose dialogue is being recorded now, and what records that of one session."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from logbook.dialogue import Dialogue
from logbook.writer import BOOK

FOLDER = "transcripts"


@dataclass(frozen=True, slots=True)
class Watched:
    """By account, client's IP address, or mail address (lower case): which transcripts."""

    accounts: Mapping[int, int] = field(default_factory=dict)
    clients: Mapping[str, int] = field(default_factory=dict)
    addresses: Mapping[str, int] = field(default_factory=dict)
    ends_at: Mapping[int, float] = field(default_factory=dict)  # seconds since 1970

    def __bool__(self) -> bool:
        return bool(self.ends_at)


NOBODY = Watched()


class Tap:
    """Records one session for one transcript, until its time is over."""

    def __init__(self, transcript_id: int, protocol: str, session: int, ends_at: float) -> None:
        self.transcript_id = transcript_id
        self._session = session
        self._ends_at = ends_at
        self._dialogue = Dialogue(protocol)

    def heard(self, octets: bytes) -> None:
        self._record(self._dialogue.heard(octets))

    def said(self, octets: bytes) -> None:
        self._record(self._dialogue.said(octets))

    def line(self, text: str) -> None:
        """What one side has said, in words, where octets would tell nothing."""
        self._record([text])

    def remark(self, text: str) -> None:
        self._record([f"-- {text}"])

    def _record(self, lines: list[str]) -> None:
        if lines and time.time() < self._ends_at:
            for line in lines:
                BOOK.record(f"{self.transcript_id}.log", line, session=self._session)
