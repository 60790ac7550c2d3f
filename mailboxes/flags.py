"""Setting and clearing flags and keywords: STORE and whatever else marks messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from django.db import connection

from blobs.committer import Job
from mailboxes import changes
from mailboxes.changes import Change, Kind, Marked
from mailboxes.errors import FolderNotFound, KeywordsRefused
from mailboxes.models import Flag
from mailboxes.rows import lock_folders, select_by_uid

MOST_KEYWORDS = 64  # of one message
KEYWORD_BYTES = 64
# RFC 3501 §9: an atom; a backslash in front would be a system flag.
KEYWORD = re.compile(r'[^\x00-\x20\x7f-\U0010ffff(){%*"\\\]]+')

_UPDATE = (
    "UPDATE mailboxes_message SET flags = %s, keywords = %s, modseq = %s"
    " WHERE folder_id = %s AND uid = %s"
)
_COUNT = (
    "UPDATE mailboxes_folder SET highest_modseq = highest_modseq + 1, unseen = unseen + %s,"
    " deleted = deleted + %s WHERE id = %s RETURNING highest_modseq"
)


class How(Enum):
    """What happens to the flags that a message has."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class FlagsStored:
    """What became of the messages; UIDs that do not exist are left out."""

    marked: tuple[Marked, ...]  # every message asked for as it is now, changed or not
    refused: tuple[int, ...]  # changed since `unchanged_since`: left alone. RFC 7162 §3.1.3
    change: Change | None  # what was changed; None: nothing


@dataclass(slots=True, kw_only=True, eq=False)
class ChangeFlags(Job):
    """One STORE. Its result is FlagsStored; its error FolderNotFound or KeywordsRefused."""

    waits_for_disk = False

    folder_id: int
    uids: Sequence[int]
    how: How
    flags: int = 0
    keywords: tuple[str, ...] = ()
    unchanged_since: int | None = None

    @staticmethod
    def write_rows(jobs: Sequence[ChangeFlags], cursor: Any) -> None:
        # SQLite's transaction has the one write lock from its beginning.
        if connection.vendor == "postgresql":
            lock_folders(cursor, (job.folder_id for job in jobs))
        for job in jobs:
            try:
                check_keywords(job.keywords)
                job.result = job._store(cursor)
            except (FolderNotFound, KeywordsRefused) as error:
                job.error = error

    def _store(self, cursor: Any) -> FlagsStored:
        rows = select_by_uid(cursor, "flags, keywords, modseq", self.folder_id, self.uids)
        if not rows and not lock_folders(cursor, [self.folder_id]):
            raise FolderNotFound
        now: list[Marked] = []
        changed: list[Marked] = []
        refused: list[int] = []
        unseen = deleted = 0
        for uid, flags, keywords, last_modseq in rows:
            if self.unchanged_since is not None and last_modseq > self.unchanged_since:
                refused.append(uid)
                continue
            marked = Marked(uid, self._flags(flags), self._keywords(keywords))
            now.append(marked)
            if marked.flags != flags or marked.keywords != keywords:
                changed.append(marked)
                unseen += (flags & Flag.SEEN) - (marked.flags & Flag.SEEN)
                deleted += bool(marked.flags & Flag.DELETED) - bool(flags & Flag.DELETED)
        change = self._write(cursor, changed, unseen, deleted) if changed else None
        return FlagsStored(tuple(now), tuple(refused), change)

    def _write(self, cursor: Any, changed: list[Marked], unseen: int, deleted: int) -> Change:
        cursor.execute(_COUNT, (unseen, deleted, self.folder_id))
        modseq = int(cursor.fetchone()[0])
        values = [(m.flags, m.keywords, modseq, self.folder_id, m.uid) for m in changed]
        if len(values) == 1:
            cursor.execute(_UPDATE, values[0])
        else:
            cursor.executemany(_UPDATE, values)
        change = Change(Kind.FLAGS, modseq, tuple(changed))
        changes.publish(self.folder_id, change)
        return change

    def _flags(self, flags: int) -> int:
        if self.how is How.ADD:
            return flags | self.flags
        return flags & ~self.flags if self.how is How.REMOVE else self.flags

    def _keywords(self, keywords: str) -> str:
        if not self.keywords and self.how is not How.REPLACE:
            return keywords
        return combine_keywords(keywords, self.keywords, self.how)


def check_keywords(keywords: Sequence[str]) -> None:
    """Raises KeywordsRefused."""
    if len(keywords) > MOST_KEYWORDS:
        raise KeywordsRefused(f"at most {MOST_KEYWORDS} keywords")
    for keyword in keywords:
        if len(keyword) > KEYWORD_BYTES or not KEYWORD.fullmatch(keyword):
            raise KeywordsRefused(f"{keyword[:KEYWORD_BYTES]!r} cannot be a keyword")


@lru_cache(maxsize=1024)
def combine_keywords(present: str, given: tuple[str, ...], how: How) -> str:
    """Keywords as a row keeps them; case does not tell them apart. RFC 3501 §2.3.2."""
    kept = {} if how is How.REPLACE else {word.lower(): word for word in present.split()}
    for keyword in given:
        if how is How.REMOVE:
            kept.pop(keyword.lower(), None)
        else:
            kept.setdefault(keyword.lower(), keyword)
    return " ".join(list(kept.values())[:MOST_KEYWORDS])
