"""When, where and by which service people last logged in, written at most once a minute (U-019)."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from datetime import datetime

import structlog
from django.db import DatabaseError

from accounts.models import LastActivity

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0
LIMIT = 100_000

_written: OrderedDict[int, float] = OrderedDict()
_lock = threading.Lock()


def is_due(account_id: int) -> bool:
    """Whether the next log-in of the account is to be written down."""
    written = _written.get(account_id)
    return written is None or written + INTERVAL_SECONDS < time.monotonic()


def note(account_id: int, *, service: str, client_address: str, now: datetime) -> None:
    """A log-in went well; nothing is raised, as it must not fail for want of this row."""
    with _lock:
        if not is_due(account_id):
            return
        _written[account_id] = time.monotonic()
        _written.move_to_end(account_id)
        if len(_written) > LIMIT:
            _written.popitem(last=False)
    row = LastActivity(user_id=account_id, at=now, service=service, client_address=client_address)
    try:
        LastActivity.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["user"],
            update_fields=["at", "service", "client_address"],
        )
    except DatabaseError as error:
        log.warning("last activity not written", account=account_id, reason=str(error))


def clear() -> None:
    with _lock:
        _written.clear()
