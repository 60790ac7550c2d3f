"""A clock for the spool and the listeners that a test sets."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import pytest


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> Clock:
    """Every room that asks for the time gets that of the clock from here on."""
    clock = Clock(now)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("spool", "listeners") and hasattr(module, "utc_now"):
            monkeypatch.setattr(module, "utc_now", clock)
    return clock
