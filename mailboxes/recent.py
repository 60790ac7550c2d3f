"""Which messages no session has been shown yet: \\Recent. RFC 3501 §2.3.2."""

from __future__ import annotations

from django.db import connection, transaction


@transaction.atomic
def claim_recent(folder_id: int) -> int:
    """Make all messages of now this session's: those above the returned UID are recent to it.

    Nobody else gets them. Not for EXAMINE, which leaves them as they are.
    """
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT recent_uid, uid_next FROM mailboxes_folder WHERE id = %s{lock}",
            (folder_id,),
        )
        row = cursor.fetchone()
        if row is None:
            return 0
        recent_uid, uid_next = row
        if recent_uid < uid_next - 1:
            cursor.execute(
                "UPDATE mailboxes_folder SET recent_uid = uid_next - 1 WHERE id = %s", (folder_id,)
            )
        return int(recent_uid)
