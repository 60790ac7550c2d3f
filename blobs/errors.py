"""What the blob store raises: facts with fields."""

from __future__ import annotations

from collections.abc import Collection


class StoreError(Exception):
    """Something about the bytes on disk; each subclass states which fact."""


class StoreFull(StoreError):
    """The disk has no room for the record; nothing of it was kept. A temporary failure."""

    def __init__(self, needed_bytes: int | None = None) -> None:
        super().__init__("no space left for blobs")
        self.needed_bytes = needed_bytes


class StoreFailed(StoreError):
    """The disk or the database refused to write; nothing of it was kept. A temporary failure."""


class OutcomeUnknown(StoreError):
    """The database went away during COMMIT and cannot say what became of the group."""


class BlobDamaged(StoreError):
    """The bytes at a location are not the record that was written there."""

    def __init__(self, blob_id: int, reason: str) -> None:
        super().__init__(f"blob {blob_id} is damaged: {reason}")
        self.blob_id = blob_id
        self.reason = reason


class BlobGone(StoreError):
    """There is no such blob (any more)."""

    def __init__(self, blob_ids: Collection[int]) -> None:
        super().__init__(f"no such blobs: {sorted(blob_ids)}")
        self.blob_ids = frozenset(blob_ids)


class NoSlotFree(StoreError):
    """More processes of one node take ids than there are slots (64)."""


class BadId(ValueError):
    """The text is not an encoded id."""


class CommitterStopped(StoreError):
    """The committer has been told to stop and takes no more jobs."""
