"""Turns at the web's log-in: who must wait waits outside, and no thread waits with him (M-064).

An account that is being guessed at answers slower and slower, to everybody alike. A mail program's
connection is left waiting; a browser gets a turn instead, which is good for one try from a moment
on. Turns of different people do not touch each other, so that nobody can lock somebody else out.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db import transaction

from operations import abuse
from operations.addresses import party
from operations.errors import NotYetYourTurn
from operations.models import LoginTurn

KEPT = timedelta(minutes=10)  # after the moment from which a turn is good
TURNS_OF_PARTY = 50  # at the same time; the oldest gives way
LONGEST_TOKEN = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """`token` goes back with the next try, which is looked at in `seconds`."""

    token: str
    seconds: int


def require(*, login: str, token: str, client_address: str, now: datetime) -> None:
    """Pass if the account need not wait, or by spending a turn whose time has come.

    Raises NotYetYourTurn with the turn to come back with.
    """
    wait = abuse.delay_seconds(login, now=now)
    if not wait:
        return
    row = _find(login, token)
    if row is None:
        raise _refusal(_issue(login, client_address, now, wait))
    left = (row.due_at - now).total_seconds()
    if left > 0:
        raise NotYetYourTurn(token, ceil(left))
    # Of two tries at once with one turn, one deletes the row.
    if not LoginTurn.objects.filter(pk=row.pk).delete()[0]:
        raise _refusal(_issue(login, client_address, now, wait))


def next_turn(*, login: str, client_address: str, now: datetime) -> Turn | None:
    """After a failure: the turn for the next try; None: it may come at once."""
    wait = abuse.delay_seconds(login, now=now)
    return _issue(login, client_address, now, wait) if wait else None


def _refusal(turn: Turn) -> NotYetYourTurn:
    return NotYetYourTurn(turn.token, turn.seconds)


def _find(login: str, token: str) -> LoginTurn | None:
    if not 0 < len(token) <= LONGEST_TOKEN:
        return None
    return LoginTurn.objects.filter(token_hash=_hash(token), login=_name(login)).first()


@transaction.atomic
def _issue(login: str, client_address: str, now: datetime, wait: float) -> Turn:
    mine = LoginTurn.objects.filter(party=party(client_address))
    LoginTurn.objects.filter(due_at__lt=now - KEPT).delete()
    surplus = mine.order_by("-due_at", "-pk").values("pk")[TURNS_OF_PARTY - 1 :]
    LoginTurn.objects.filter(pk__in=[row["pk"] for row in surplus]).delete()
    token = secrets.token_urlsafe(24)
    LoginTurn.objects.create(
        token_hash=_hash(token),
        login=_name(login),
        party=party(client_address),
        due_at=now + timedelta(seconds=wait),
    )
    return Turn(token, ceil(wait))


def _name(login: str) -> str:
    return login.strip().lower()[:320]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
