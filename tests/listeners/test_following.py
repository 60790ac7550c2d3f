"""How soon a mail process looks again at what it follows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from listeners import bridge, mail_process
from listeners.mail_process import MailProcess


@pytest.mark.spec("D-033")
def test_while_an_address_of_a_domain_is_gone_it_is_looked_for_every_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody tells of an address that comes back."""
    assert mail_process.TRY_AGAIN_SECONDS <= 2
    monkeypatch.setattr(mail_process, "TRY_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(mail_process, "REBIND_SECONDS", 3600.0)

    async def looks(lost: frozenset[str], *, wait_seconds: float) -> int:
        looked, has_looked_again = 0, asyncio.Event()

        async def ask(*_: Any) -> tuple[str, ...]:
            nonlocal looked
            looked += 1
            if looked == 3:
                has_looked_again.set()
            return ()

        monkeypatch.setattr(bridge, "ask_warm", ask)
        process = MailProcess(frozenset())
        process._lost_addresses = lost
        following = asyncio.create_task(process._follow_policies())
        await asyncio.wait([asyncio.create_task(has_looked_again.wait())], timeout=wait_seconds)
        following.cancel()
        return looked

    assert asyncio.run(looks(frozenset({"192.0.2.1"}), wait_seconds=30)) >= 3
    assert asyncio.run(looks(frozenset(), wait_seconds=0.2)) == 0
