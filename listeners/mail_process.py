"""The asyncio process of the server: all listeners and the spool's manager, or some of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from django.conf import settings

from blobs.committer import process_committer
from clock.moments import utc_now
from listeners import bridge, endpoints
from listeners.base import Listener
from listeners.imap.server import imap_listener
from listeners.policies import forget_when_told
from listeners.pop3.server import pop3_listener
from listeners.readiness import Listening, tell_ready, tell_stopping
from listeners.sessions import end_forbidden_sessions
from listeners.smtp.server import smtp_listener
from listeners.tls import Certificates
from mailboxes.settler import Settler
from spool.manager import Manager
from switchboard.subscribe import Switchboard

log = structlog.get_logger(__name__)

MAKE_LISTENER: dict[str, Callable[..., Listener]] = {
    "smtp": smtp_listener,
    "imap": imap_listener,
    "pop": pop3_listener,
}
PARTS = frozenset({*MAKE_LISTENER, "spool"})
# Endpoints follow the domains' settings at once by note, and by this timer in any case.
REBIND_SECONDS = 15.0
SERVICE_NAMES = {("smtp", "submission"): "submission"}
