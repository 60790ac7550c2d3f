"""Size and date of a folder's messages, which never change."""

from __future__ import annotations

from django.db import connection

_SELECT = (
    "SELECT uid, size_bytes, received_at FROM mailboxes_message"
    " WHERE folder_id = %s AND uid > %s ORDER BY uid"
)


def sizes_and_dates(folder_id: int, after_uid: int = 0) -> list[tuple[int, int, int]]:
    """(uid, octets, microseconds of arrival) of the messages behind a UID, by rising UID."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, (folder_id, after_uid))
        rows: list[tuple[int, int, int]] = cursor.fetchall()
    return rows
