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


@pytest.mark.spec("X-004", "U-016", "D-036", "D-100")
def test_applied_changes_act_in_a_running_server_within_seconds(server: RunningServer) -> None:
    def apply(rest: str) -> None:
        server.manage("apply", "-", text=f"domains: [{{name: live.example, {rest}}}]")

    first, second = "correct horse battery", "quite another battery"
    assert not may_log_in(server, "ann@live.example", first)
    apply(f"admin: {{username: admin}}, users: [{{username: ann, password: {first}}}]")
    assert soon(lambda: may_log_in(server, "ann@live.example", first))
    apply("domain_aliases: [live-alias.example]")
    assert soon(lambda: may_log_in(server, "ANN@live-alias.example", first))
    apply(f"users: [{{username: ann, password: {second}}}]")
    assert soon(lambda: not may_log_in(server, "ann@live.example", first))
    assert may_log_in(server, "ann@live.example", second)
    ann = "users: [{{username: ann, {}}}]".format
    for off, on in (
        (ann("status: disabled"), ann("status: enabled")),
        (ann("imap_access: false"), "features: {service_access_control: false}"),
        ("disabled: true", "disabled: false"),
    ):
        apply(off)
        assert soon(lambda: not may_log_in(server, "ann@live.example", second))
        apply(on)
        assert soon(lambda: may_log_in(server, "ann@live.example", second))
