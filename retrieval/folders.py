"""The folders here that fetched mail goes into: found, or made where they are missing."""

from __future__ import annotations

from clock.moments import utc_now
from mailboxes import folders
from mailboxes.errors import FolderExists, MailboxError
from mailboxes.models import Folder, SpecialUse
from retrieval.work import Visit
from spool.placing import Placing

INBOX = "INBOX"

# RFC 6154 §2 to what folders here are for.
STANDARD_USES = {
    "\\drafts": SpecialUse.DRAFTS,
    "\\sent": SpecialUse.SENT,
    "\\trash": SpecialUse.TRASH,
    "\\junk": SpecialUse.JUNK,
    "\\archive": SpecialUse.ARCHIVE,
}


def placing_for(visit: Visit, name: str) -> Placing:
    """The folder of that name, made if it is missing; where it cannot be made, the Inbox.

    Asks the database, so in a thread.
    """
    return Placing(folder_id=_folder_id(visit, name))


def standard_names(account_id: int) -> dict[str, str]:
    """The folder here of each special use that an IMAP server may tell of."""
    folders.ensure_standard(account_id=account_id, now=utc_now())
    rows = Folder.objects.filter(account_id=account_id).exclude(special_use="")
    names = dict(rows.values_list("special_use", "name"))
    return {said: names[use] for said, use in STANDARD_USES.items() if use in names}


def _folder_id(visit: Visit, name: str) -> int | None:
    """None: the Inbox."""
    name = folders.normal_name(name)
    if name == INBOX:
        return None
    account_id = visit.task.user_id
    row = Folder.objects.filter(account_id=account_id, name=name).first()
    if row is None:
        try:
            folders.create(account_id=account_id, name=name, now=utc_now())
        except FolderExists:
            pass  # somebody was faster
        except MailboxError:
            visit.found.unplaced = name[:100]
            return None
        row = Folder.objects.filter(account_id=account_id, name=name).first()
    return None if row is None else row.pk
