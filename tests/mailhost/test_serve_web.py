"""The web part as a process: how it hears that it is to end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from jobs.stopping import Stop
from mailhost.management.commands import serve_web


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(30)
def test_a_signal_at_each_step_of_its_wait_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that waited for a lock of its own thread would wait for ever."""
    heard = []

    def everywhere(frame: FrameType, event: str, argument: Any) -> Any:
        heard.append(event)
        signal.raise_signal(signal.SIGTERM)
        return everywhere

    def wait(application: object, stop: Stop, *, when_ready: object) -> None:
        sys.settrace(everywhere)
        try:
            assert stop.wait(10)
        finally:
            sys.settrace(None)

    monkeypatch.setattr(serve_web, "serve", wait)
    monkeypatch.setattr(serve_web.firststart, "certificate", lambda: None)
    monkeypatch.setattr(serve_web.logcounts, "follow_in_thread", lambda: None)
    monkeypatch.setattr(serve_web.Keeper, "stop", lambda keeper: None)
    serve_web.Command().handle()
    assert len(heard) > 2
