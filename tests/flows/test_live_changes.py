"""What is applied acts in a running server, without a restart."""

from __future__ import annotations

import imaplib
import time
from collections.abc import Callable

import pytest

from tests.running import RunningServer

WITHIN_SECONDS = 5.0


def may_log_in(server: RunningServer, login: str, password: str) -> bool:
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        try:
            client.login(login, password)
        except imaplib.IMAP4.error:
            return False
    return True


def soon(question: Callable[[], bool]) -> bool:
    """Whether the answer becomes yes in the time that a change has to act."""
    end = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.1)
    return False


FIRST, SECOND = "correct horse battery", "quite another battery"


@pytest.mark.spec("X-004", "U-016", "D-036", "D-100")
def test_applied_changes_act_in_a_running_server_within_seconds(server: RunningServer) -> None:
    """Each change has a user of his own, so that a few runs of the command are enough."""

    def becomes(login: str, *, allowed: bool, password: str = FIRST) -> bool:
        return soon(lambda: may_log_in(server, login, password) == allowed)

    live = "live.example", "admin: {username: admin}"
    whole = "whole.example", "admin: {username: admin}"
    assert not may_log_in(server, "ann@live.example", FIRST)
    people = ", ".join(f"{{username: {name}, password: {FIRST}}}" for name in ("ann", "ben", "cat"))
    dora = f"users: [{{username: dora, password: {FIRST}}}]"
    _apply(server, (*live, f"users: [{people}]"), (*whole, dora))
    for login in ("ann@live", "ben@live", "cat@live", "dora@whole"):
        assert becomes(f"{login}.example", allowed=True)
    changed = (
        f"{{username: ann, password: {SECOND}}}, {{username: ben, status: disabled}},"
        " {username: cat, imap_access: false}"
    )
    _apply(
        server,
        ("live.example", "domain_aliases: [live-alias.example]", f"users: [{changed}]"),
        ("whole.example", "disabled: true"),
    )
    for login in ("ann@live", "ben@live", "cat@live", "dora@whole"):
        assert becomes(f"{login}.example", allowed=False)
    assert may_log_in(server, "ANN@live-alias.example", SECOND)
    _apply(
        server,
        (
            "live.example",
            "features: {service_access_control: false}",
            "users: [{username: ben, status: enabled}]",
        ),
        ("whole.example", "disabled: false"),
    )
    for login in ("ben@live", "cat@live", "dora@whole"):
        assert becomes(f"{login}.example", allowed=True)
    assert not may_log_in(server, "ann@live.example", FIRST)


def _apply(server: RunningServer, *domains: tuple[str, ...]) -> None:
    listed = ", ".join(f"{{name: {name}, {', '.join(rest)}}}" for name, *rest in domains)
    server.manage("apply", "-", text=f"domains: [{listed}]")
