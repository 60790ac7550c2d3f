"""By which names and addresses this server would recognise itself as somebody's mail server."""

from __future__ import annotations

from django.conf import settings as conf

from operations.addresses import own_addresses
from spool.mx import Ourselves

SMTP_PORT = 25


def recognise_ourselves() -> Ourselves:
    """Addresses count only where other servers would meet us on the port that is tried there."""
    names = frozenset({conf.MAILHOST_HOSTNAME})
    if conf.MAILHOST_OUTGOING_PORT != SMTP_PORT + conf.MAILHOST_PORT_OFFSET:
        return Ourselves(names, frozenset())
    return Ourselves(names, own_addresses())
