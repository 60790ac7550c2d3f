"""A message put into a folder by its owner: APPEND, and whatever else brings bytes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blobs.committer import Job
from blobs.ids import new_id
from blobs.store import Body, NewRecord, new_body
from clock.moments import to_micros, utc_now
from mailboxes.delivery import Delivery, deliver
from protocols.message.facts import facts


@dataclass(slots=True, kw_only=True, eq=False)
class Append(Job):
    """One message for one folder, written by a committer with its body.

    Its result is the delivery; its error QuotaExceeded or FolderNotFound.
    """

    delivery: Delivery

    @classmethod
    def of(cls, message: bytes | Body, **values: Any) -> Append:
        """The job for these bytes; `values` are those of Delivery but blob and size."""
        body = message if isinstance(message, Body) else new_body(message)
        octets = body.read() if isinstance(message, Body) else message
        record = NewRecord(new_id(), b"", facts(octets), body)
        delivery = Delivery(blob_id=record.blob_id, prefix="", size_bytes=body.size_bytes, **values)
        return cls(records=[record], delivery=delivery)

    @staticmethod
    def write_rows(jobs: Sequence[Append], cursor: Any) -> None:
        deliver(cursor, [job.delivery for job in jobs], now=to_micros(utc_now()))
        for job in jobs:
            job.error = job.delivery.error
            job.result = job.delivery
