"""Where somebody is logged in by browser: the list that he sees, and the word that ends one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import User, WebSession
from events import audit
from events.audit import Actor

INTERVAL_SECONDS = 180.0
REMEMBERED = 20_000
LONGEST_PROGRAM = 200

# Deletes a browser's session by its key: the door that has sessions gives it.
Forget = Callable[[str], None]

_seen: OrderedDict[str, float] = OrderedDict()
_lock = threading.Lock()


def begin(
    *, user: User, session_key: str, client_address: str, program: str, now: datetime
) -> WebSession:
    values = {
        "user": user,
        "started_at": now,
        "seen_at": now,
        "client_address": client_address,
        "program": program[:LONGEST_PROGRAM],
    }
    row, _ = WebSession.objects.update_or_create(session_key=session_key, defaults=values)
    return row


def see(session_key: str, *, now: datetime) -> None:
    """A page was asked for; written down every few minutes."""
    with _lock:
        seen = _seen.get(session_key)
        if seen is not None and seen + INTERVAL_SECONDS > time.monotonic():
            return
        _seen[session_key] = time.monotonic()
        _seen.move_to_end(session_key)
        if len(_seen) > REMEMBERED:
            _seen.popitem(last=False)
    WebSession.objects.filter(session_key=session_key).update(seen_at=now)


def current(user: User, *, now: datetime) -> list[WebSession]:
    """The browsers of the user, the last seen first; what has expired is forgotten."""
    expired = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    WebSession.objects.filter(user=user, started_at__lt=expired).delete()
    return list(WebSession.objects.filter(user=user).order_by("-seen_at", "-pk"))


@transaction.atomic
def end(*, session: WebSession, forget: Forget, by: Actor | None) -> None:
    audit.record(
        by, "ended a browser session", session.user, {"from": (session.client_address, None)}
    )
    forget(session.session_key)
    session.delete()


@transaction.atomic
def end_others(*, user: User, keep: str, forget: Forget, by: Actor | None) -> int:
    """All but the one whose key is `keep`; how many."""
    sessions = list(WebSession.objects.filter(user=user).exclude(session_key=keep))
    for session in sessions:
        end(session=session, forget=forget, by=by)
    return len(sessions)


def close(session_key: str) -> None:
    """The owner logged out."""
    WebSession.objects.filter(session_key=session_key).delete()


def move(old_key: str, new_key: str) -> None:
    """The same browser has a new key; one that is known already stays as it is."""
    if WebSession.objects.filter(session_key=new_key).exists():
        return
    WebSession.objects.filter(session_key=old_key).update(session_key=new_key)
