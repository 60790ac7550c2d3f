"""Which addresses are this machine's: what a listener could be bound to."""

from __future__ import annotations

import socket

import pytest

from domains import ownaddresses


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.77", "0.0.0.0"])
def test_a_listener_can_be_bound_to_what_is_here(address: str) -> None:
    assert ownaddresses.is_here(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "203.0.113.9", "2001:db8::1"])
def test_what_no_interface_has_is_not_here(address: str) -> None:
    assert not ownaddresses.is_here(address)


def test_trouble_of_another_kind_says_nothing_about_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more_files(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", no_more_files)
    assert ownaddresses.can_bind("192.0.2.1")


def test_the_system_is_asked_anew_when_the_answer_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    ownaddresses.forget()
    assert not ownaddresses.is_here("192.0.2.1")
    monkeypatch.setattr(ownaddresses, "can_bind", lambda address: True)
    assert not ownaddresses.is_here("192.0.2.1"), "two seconds are not over"
    monkeypatch.setattr(ownaddresses, "REMEMBERED_SECONDS", -1.0)
    assert ownaddresses.is_here("192.0.2.9")
    monkeypatch.setattr(ownaddresses, "can_bind", lambda address: False)
    assert not ownaddresses.is_here("192.0.2.9")
    ownaddresses.forget()
