"""Ends the sessions of people who may no longer have one (D-036, U-016, U-020…U-022)."""

from __future__ import annotations

from collections.abc import Iterable

from accounts import directory
from accounts.authentication import ACCESS
from accounts.models import Status
from domains import directory as domain_directory
from listeners import bridge
from listeners.base import Listener


async def end_forbidden_sessions(listeners: Iterable[Listener]) -> int:
    """Drain every session whose account may not use its service now; returns how many."""
    ended = 0
    for listener in listeners:
        account_ids = {visit.account_id for visit in listener.visits} - {None}
        if not account_ids:
            continue
        lost = await bridge.ask(_forbidden, frozenset(account_ids), ACCESS[listener.name])  # type: ignore[arg-type]
        ended += listener.end_sessions(lambda visit, lost=lost: visit.account_id in lost)  # type: ignore[misc]
    return ended


def _forbidden(account_ids: frozenset[int], access: str) -> set[int]:
    return {account_id for account_id in account_ids if not _may_stay(account_id, access)}


def _may_stay(account_id: int, access: str) -> bool:
    account = directory.account(account_id)
    if account is None or account.status != Status.ENABLED:
        return False
    domain = domain_directory.policy(account.domain_id)
    if domain is None or domain.is_disabled or domain.is_closed:
        return False
    # D-066: without the feature the switches do not count.
    return bool(getattr(account, access)) or not domain.features.service_access_control
