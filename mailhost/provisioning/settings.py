"""The settings of the whole server that a file can set, by their key under `settings`."""

from __future__ import annotations

from typing import Any

from accounts.settings import CAPS, DELETION, LOGIN
from certificates.settings import ACME
from domains.claims import NAMES
from domains.singlerow import SingleRow
from operations.logs import LOGS
from operations.services import LISTENERS, RESOLVER
from retrieval.settings import RETRIEVAL
from spool.configuration import SPOOL
from transport.settings import TRANSPORT

SETTINGS: dict[str, SingleRow[Any]] = {
    row.name: row
    for row in (
        LOGIN,
        DELETION,
        CAPS,
        NAMES,
        LISTENERS,
        RESOLVER,
        SPOOL,
        RETRIEVAL,
        ACME,
        LOGS,
        TRANSPORT,
    )
}
