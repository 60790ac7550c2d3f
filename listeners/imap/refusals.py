"""What the rooms refuse, in the words of IMAP: one table."""

from __future__ import annotations

import structlog

from blobs.errors import BlobDamaged, BlobGone, StoreError, StoreFull
from mailboxes import errors
from protocols.imap.responses import Status, no

log = structlog.get_logger(__name__)

_LIMIT = no("You have too many folders already", b"LIMIT")
_STATUSES: dict[type[Exception], Status] = {
    errors.QuotaExceeded: no("The mailbox is full", b"OVERQUOTA"),
    errors.FolderNotFound: no("There is no such folder", b"NONEXISTENT"),
    errors.FolderExists: no("A folder of this name exists", b"ALREADYEXISTS"),
    errors.FolderNameInvalid: no("A folder cannot have this name", b"CANNOT"),
    errors.FolderProtected: no("This folder must stay", b"CANNOT"),
    errors.FolderLimitReached: _LIMIT,
    errors.KeywordsRefused: no("Too many keywords, or one is too long", b"LIMIT"),
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
