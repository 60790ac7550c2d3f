"""What the rooms refuse, in the words of IMAP: one table."""

from __future__ import annotations

import structlog

from blobs.errors import BlobDamaged, BlobGone, StoreError, StoreFull
from protocols.imap.responses import Status, no

log = structlog.get_logger(__name__)

_STATUSES: dict[type[Exception], Status] = {
    StoreFull: no("No room is left on the server", b"UNAVAILABLE"),
    StoreError: no("Storage is not available now; try again later", b"UNAVAILABLE"),
    BlobGone: no("Some of the messages no longer exist", b"EXPUNGEISSUED"),
    BlobDamaged: no("The message is damaged", b"CORRUPTION"),
}
_BUG = no("Internal error; it has been logged", b"SERVERBUG")


def status_of(error: Exception) -> Status:
    """The response that states this fact; an unexpected error is logged and told as such."""
    for kind in type(error).__mro__:
        status = _STATUSES.get(kind)
        if status is not None:
            return status
    log.error("IMAP command failed", exc_info=error)
    return _BUG
