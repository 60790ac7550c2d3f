"""Logging in, the same for SMTP, IMAP, POP3 and LDAP: policy, mechanisms, delay after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypedDict

from django.conf import settings

from accounts import authentication
from accounts.directory import AccountPolicy
from accounts.errors import WrongCredentials
from accounts.models import ClearTextLogin
from accounts.settings import LOGIN
from clock.moments import utc_now
from listeners import bridge, traffic
from listeners.base import Visit
from listeners.gate import is_loopback
from operations import abuse
from protocols import sasl
from protocols.sasl import Challenge, CramProof, Exchange, KeysWanted, PlainProof, Proof
from protocols.scram import ScramKeys

# Guessing by one session is slowed by this; guessing by many meets the rules of M-064.
FAILURE_SECONDS = settings.MAILHOST_FAILED_LOGIN_MS / 1000

# Sends a challenge in the protocol's own dress; returns the client's decoded response.
Converse = Callable[[bytes], Awaitable[bytes]]


class LoginRefused(Exception):
    """The proof did not fit, or the account may not use this service; nobody is told which."""


class TooManySessions(Exception):
    """The proof was right, but the user has too many sessions open (N-007)."""


async def may_show_password(visit: Visit) -> bool:
    """Whether PLAIN, LOGIN or USER/PASS may be used on this connection as it is (N-006)."""
    if visit.is_encrypted:
        return True
    policy = (await bridge.ask_warm(LOGIN.read)).clear_text_login
    if policy == ClearTextLogin.LOOPBACK:
        return is_loopback(visit.client_ip)
    return bool(policy == ClearTextLogin.ALLOW)


async def offered_mechanisms(visit: Visit) -> list[str]:
    """The SASL mechanisms to announce now, the best first (N-011, D-053).

    CRAM-MD5 only where it is switched on: programs such as curl try no other mechanism after it,
    and without the switch nobody has what it needs (N-012).
    """
    withheld = set() if await may_show_password(visit) else set(sasl.CLEAR_TEXT)
    if not (await bridge.ask_warm(LOGIN.read)).cram_md5:
        withheld.add("CRAM-MD5")
    return [name for name in sasl.MECHANISMS if name not in withheld]


async def by_mechanism(
    visit: Visit, exchange: Exchange, initial: bytes | None, converse: Converse
) -> AccountPolicy:
    """Run a mechanism to its end; the visit is then the account's.

    Raises LoginRefused, TooManySessions, sasl.Malformed, or what `converse` raises.
    """
    step = exchange.step(initial)
    while True:
        if isinstance(step, KeysWanted):
            keys = await _scram_keys(visit, step.login)
            step = exchange.give_keys(keys)  # type: ignore[attr-defined]  # only SCRAM wants keys
        elif isinstance(step, Challenge):
            step = exchange.step(await converse(step.data))
        else:
            return await _resolve(visit, step)


async def by_password(visit: Visit, login: str, password: str) -> AccountPolicy:
    """LOGIN and USER/PASS. Raises LoginRefused, TooManySessions."""
    return await _resolve(visit, PlainProof(login, password))


async def _resolve(visit: Visit, proof: Proof) -> AccountPolicy:
    try:
        account = await _check(visit, proof)
    except WrongCredentials as error:
        traffic.login_refused(visit, proof.login)
        await asyncio.sleep(FAILURE_SECONDS)
        raise LoginRefused from error
    if not visit.log_in(account.account_id, account.domain_id):
        raise TooManySessions
    return account


async def _check(visit: Visit, proof: Proof) -> AccountPolicy:
    """Raises WrongCredentials."""
    place = _place(visit)
    if _acts_for_another(proof):
        raise WrongCredentials
    if isinstance(proof, PlainProof):
        login, password = proof.login, proof.password
        known = authentication.check_cached(login, password, **place)
        if known is not None:
            return known
        await _wait_for_turn(login)
        return await bridge.ask(
            lambda: authentication.check_password(login, password, now=utc_now(), **place)
        )
    await _wait_for_turn(proof.login)
    if isinstance(proof, CramProof):
        login = proof.login
        state = await bridge.ask(lambda: authentication.cram_md5_state(login, **place))
        is_proven = proof.fits(state)
    else:
        login, is_proven = proof.login, proof.is_proven
    return await bridge.ask(
        lambda: authentication.accept(login, is_proven=is_proven, now=utc_now(), **place)
    )


async def _wait_for_turn(login: str) -> None:
    """M-064: an account that is being guessed at answers slower and slower, to everybody alike."""
    seconds = await bridge.ask(lambda: abuse.delay_seconds(login, now=utc_now()))
    if seconds:
        await asyncio.sleep(seconds)


async def _scram_keys(visit: Visit, login: str) -> ScramKeys:
    place = _place(visit)
    return await bridge.ask(lambda: authentication.scram_keys(login, **place))


def _acts_for_another(proof: Proof) -> bool:
    """Nobody may act for somebody else by SASL; naming oneself is harmless. RFC 4616 §2."""
    acting_for = getattr(proof, "acting_for", "")
    return bool(acting_for) and acting_for.lower() != proof.login.lower()


class _Place(TypedDict):
    """Where and by which service: decides who may log in, and goes to the log."""

    service: str
    local_ip: str | None
    client_address: str
    only_domain: int | None


def _place(visit: Visit) -> _Place:
    pair = (visit.endpoint.ip, visit.endpoint.port)
    return {
        "service": visit.listener.name,
        "local_ip": visit.local_ip,
        "client_address": visit.client_ip,
        "only_domain": visit.listener.sole_domain.get(pair),
    }
