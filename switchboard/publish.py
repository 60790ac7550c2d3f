"""Telling whoever looks that something changed, after the commit that changed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from switchboard import changes, exchange
from switchboard.frames import MAX_PAYLOAD_BYTES
from switchboard.topics import Note, Topic


def publish_on_commit(
    topic: Topic, key: int = 0, payload: bytes = b"", *, durable: bool = False
) -> None:
    """Tell every process once the present transaction is committed; at once outside of one.

    `payload` has at most 4,000 bytes. A durable note also becomes a row of Change in the same
    transaction, so that a process which missed the hint finds it within a second or so.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
    change_id = changes.record(topic, key, payload) if durable else 0
    note = Note(topic, key, payload, change_id)
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        exchange.publish([note])
        return
    batch = _open_batch(connection)
    if batch is None:
        batch = []
        connection.on_commit(_Publish(batch), robust=True)
    batch.append(note)


class _Publish:
    """The hook that sends the notes which one transaction has gathered."""

    def __init__(self, notes: list[Note]) -> None:
        self.notes = notes
        # Django names a hook that fails by this; without it the fault itself would stay unsaid.
        self.__qualname__ = "switchboard.publish"

    def __call__(self) -> None:
        exchange.publish(self.notes)


def _open_batch(connection: Any) -> list[Note] | None:
    """The notes of the hook registered last, if it would be kept or dropped with a new one."""
    hooks: list[tuple[set[str], Callable[[], object], bool]] = connection.run_on_commit
    if not hooks:
        return None
    savepoints, hook, _ = hooks[-1]
    if isinstance(hook, _Publish) and savepoints == set(connection.savepoint_ids):
        return hook.notes
    return None
