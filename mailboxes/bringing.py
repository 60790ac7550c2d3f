"""Bringing mail back as an index says it was: folders, UIDs, flags, subscriptions (D-013, X-032).

Whatever the index and the files beside it hold, a line that cannot be done is told of and stops
no other.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction

from accounts.models import User
from blobs.committer import Committer
from blobs.errors import BlobGone
from blobs.ids import new_id
from blobs.record import RECORD_HEADER_BYTES, Found, decode_header, pread, scan
from blobs.segment import NewRecord
from blobs.store import new_body
from clock.moments import to_micros
from domains.models import Domain
from mailboxes import folders, index, placing
from mailboxes.delivery import Delivery
from mailboxes.errors import FolderNotFound, MailboxError
from mailboxes.flags import ChangeFlags, How
from mailboxes.index import FolderLine, Malformed, MessageLine, SubscriptionLine
from mailboxes.models import Folder, Message, Subscription
from mailboxes.placing import BESIDE, Bring
from protocols.message.facts import facts

BATCH_MESSAGES = 200
BATCH_BYTES = 16 << 20
TELL_EVERY = 5_000  # messages
# A message is held in memory; files may claim anything, and may have holes.
LARGEST_BYTES = 1 << 30
MOST_ERRORS = 100

Tell = Callable[[str], None]
Key = tuple[bytes, int]  # the digest of the bytes, and when the message was received


@dataclass(slots=True)
class Brought:
    """What was done, and what could not be."""

    folders: int = 0  # that are as the index says now
    added: int = 0
    known: int = 0
    changed: int = 0  # their flags
    subscriptions: int = 0
    refused: int = 0  # lines
    errors: list[str] = field(default_factory=list)
    # Digests that the index names: what it does not name is not mail that it knows.
    named: set[bytes] = field(default_factory=set)
    is_unfinished: bool = False  # what was refused could be done later: the files are to stay

    def complain(self, words: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(words)

    def refuse(self, words: str) -> None:
        self.refused += 1
        self.complain(words)


class Records:
    """The sound records of some files, by the digest of their bytes."""

    def __init__(self, paths: Iterable[Path], tell: Tell, complain: Tell) -> None:
        self._paths = list(paths)
        self._places: dict[bytes, tuple[int, int]] = {}
        for number, path in enumerate(self._paths):
            tell(f"Looking through {path.name}")
            for seen in scan(path):
                if isinstance(seen, Found):
                    self._places[seen.header.digest] = number, seen.offset
                else:
                    complain(f"{path.name} is damaged at {seen.offset}: {seen.reason}")

    def read(self, digest: bytes) -> tuple[bytes, bytes]:
        """Meta and body. Raises ValueError: there is no such record, or it is another one."""
        place = self._places.get(digest)
        if place is None:
            raise ValueError("no file has its bytes")
        path, offset = self._paths[place[0]], place[1]
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise ValueError(f"{path.name}: {error.strerror}") from None
        try:
            header = decode_header(pread(fd, RECORD_HEADER_BYTES, offset))
            if header is None or header.body_bytes > LARGEST_BYTES:
                raise ValueError("its record is damaged or too large")
            meta = pread(fd, header.meta_bytes, offset + RECORD_HEADER_BYTES)
            return meta, pread(fd, header.body_bytes, offset + header.body_start)
        except OSError as error:
            raise ValueError(f"{path.name}: {error.strerror}") from None
        finally:
            os.close(fd)


@dataclass(slots=True)
class _Filled:
    """The folder whose messages are being read; `line` is what the index says of it."""

    line: FolderLine
    account_id: int
    folder_id: int
    last_uid: int = 0


@dataclass(slots=True)
class _Beside(_Filled):
    """It is filled where nobody sees it, with the UIDs that the index says."""


@dataclass(slots=True)
class _Merged(_Filled):
    """It has UIDs of its own: what it has is compared, what it lacks is added."""

    rows: dict[int, tuple[Key, int, str]] = field(default_factory=dict)  # by UID: flags, keywords
    uids: defaultdict[Key, list[int]] = field(default_factory=lambda: defaultdict(list))
    marks: defaultdict[tuple[int, str], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def load(self) -> None:
        columns = ("uid", "blob__digest", "received_at", "flags", "keywords")
        rows = Message.objects.filter(folder=self.folder_id).order_by("-uid")
        for uid, digest, received_at, flags, keywords in rows.values_list(*columns).iterator():
            key = bytes(digest), to_micros(received_at)
            self.rows[uid] = key, flags, keywords
            self.uids[key].append(uid)

    def match(self, line: MessageLine, digest: bytes) -> int | None:
        """The UID here of that message, each only once; None: it is not there."""
        there = self.rows.get(line.uid)
        key = digest, line.received_at
        uid = line.uid if there is not None and there[0][0] == digest else None
        while uid is None and (others := self.uids.get(key)):
            other = others.pop()  # the lowest
            uid = other if other in self.rows else None
        if uid is None:
            return None
        _, flags, keywords = self.rows.pop(uid)
        if (flags, keywords) != (line.flags, line.keywords):
            self.marks[line.flags, line.keywords].append(uid)
        return uid


class Bringer:
    """Reads one index from its beginning to its end. Blocks; not inside a transaction."""

    def __init__(
        self, domain: Domain, records: Records, committer: Committer, tell: Tell, done: Brought
    ) -> None:
        """`committer` writes into the domain's own area, which its caller holds."""
        self._domain, self._records, self._committer = domain, records, committer
        self._tell, self._done = tell, done
        users = User.objects.filter(domain=domain)
        self._people = dict(users.values_list("local_part", "pk"))
        self._strangers: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._folder: _Beside | _Merged | None = None
        self._blobs: dict[bytes, int] = {}  # what was written, by digest
        self._jobs: list[Bring] = []
        self._size_bytes = 0
        self._tell_at = TELL_EVERY

    def run(self, path: Path) -> None:
        """Raises StoreError, OSError, IndexBroken, and what `tell` does: then the folder being
        filled is dropped, and all before it stays."""
        try:
            for line in index.lines_of(path):
                if isinstance(line, FolderLine):
                    self._finish()
                    self._begin(line)
                elif isinstance(line, MessageLine):
                    self._bring(line)
                elif isinstance(line, SubscriptionLine):
                    self._finish()
                    self._subscribe(line)
                elif isinstance(line, Malformed):
                    self._done.refuse(str(line))
            self._finish()
        finally:
            self._drop()

    def _account(self, user: str) -> int | None:
        account_id = self._people.get(user)
        if account_id is None:
            self._done.refused += 1
            self._done.is_unfinished = True
            if user not in self._strangers:
                self._strangers.add(user)
                self._done.complain(f"there is no user {user}, who has mail in the folder")
        return account_id

    def _begin(self, line: FolderLine) -> None:
        account_id = self._account(line.user)
        if account_id is None:
            return
        if (line.user, line.name) in self._seen:
            self._done.refuse(f"folder {line.name!r} of {line.user} comes twice")
            return
        if line.name.startswith(BESIDE):
            self._done.refuse(f"a folder cannot be called {line.name!r}")
            return
        self._seen.add((line.user, line.name))
        self._tell(f"Folder {line.name} of {line.user}")
        there = Folder.objects.filter(account=account_id, name=line.name).first()
        if there is not None and not _may_become(there, line):
            self._folder = _Merged(line, account_id, there.pk)
            self._folder.load()
            return
        try:
            folder_id = placing.make_beside(line, account_id=account_id, domain_id=self._domain.pk)
        except (MailboxError, DatabaseError) as error:
            self._done.refuse(f"folder {line.name!r} of {line.user}: {error}")
            self._done.is_unfinished = True
            return
        self._folder = _Beside(line, account_id, folder_id)

    def _bring(self, line: MessageLine) -> None:
        folder, digest = self._folder, bytes.fromhex(line.digest)
        self._done.named.add(digest)
        if folder is None or line.folder != folder.line.number:
            self._done.refused += 1  # what became of its folder was told
            return
        if line.uid <= folder.last_uid:
            self._refuse(line, "its UID is not above the one before")
            return
        folder.last_uid = line.uid
        if isinstance(folder, _Merged) and folder.match(line, digest) is not None:
            self._done.known += 1
            return
        try:
            job = self._job(line, folder, digest)
        except ValueError as error:
            self._refuse(line, str(error))
            return
        self._jobs.append(job)
        self._size_bytes += sum(record.body.size_bytes for record in job.records)
        if len(self._jobs) >= BATCH_MESSAGES or self._size_bytes >= BATCH_BYTES:
            self._flush()

    def _refuse(self, line: MessageLine, words: str) -> None:
        assert self._folder is not None
        of = self._folder.line
        self._done.refuse(f"message {line.uid} in {of.name!r} of {of.user}: {words}")

    def _job(self, line: MessageLine, folder: _Beside | _Merged, digest: bytes) -> Bring:
        """Raises ValueError."""
        meta, octets = self._records.read(digest)
        size_bytes = len(line.prefix.encode()) + len(octets)
        records = []
        blob_id = self._blobs.get(digest)
        if blob_id is None:
            body = new_body(octets)
            if body.digest != digest:
                raise ValueError("its bytes are not those that the index says")
            records = [NewRecord(new_id(), meta, facts(octets), body)]
            blob_id = self._blobs[digest] = records[0].blob_id
        delivery = Delivery(
            account_id=folder.account_id, domain_id=self._domain.pk, blob_id=blob_id,
            prefix=line.prefix, size_bytes=size_bytes, received_at=line.received_at,
            folder_id=folder.folder_id, flags=line.flags, keywords=line.keywords,
            is_settled=True, is_exempt=True,
        )  # fmt: skip
        if isinstance(folder, _Merged):
            return Bring(records=records, delivery=delivery)
        # A client that knows the folder must not take an absurd number for the newest one.
        modseq = min(line.modseq, folder.line.highest_modseq)
        return Bring(
            records=records, delivery=delivery, uid=line.uid, modseq=modseq,
            saved_at=line.saved_at,
        )  # fmt: skip

    def _flush(self) -> None:
        jobs, self._jobs, self._size_bytes = self._jobs, [], 0
        if self._done.added >= self._tell_at:
            self._tell(f"{self._done.added:,} messages brought back")
            self._tell_at = self._done.added + TELL_EVERY
        waiting: list[tuple[Bring, Future[Any]]] = [
            (job, self._committer.submit(job)) for job in jobs
        ]
        for job, future in waiting:
            try:
                future.result()
            except (MailboxError, BlobGone, DatabaseError) as error:
                for record in job.records:
                    self._blobs.pop(record.digest, None)
                self._done.refuse(f"a message was not brought back: {error}")
                self._done.is_unfinished = True
            else:
                self._done.added += 1

    def _finish(self) -> None:
        """All messages of the folder have been seen."""
        self._flush()
        folder = self._folder
        if isinstance(folder, _Merged):
            self._mark(folder)
        elif folder is not None:
            try:
                placing.put_in_place(
                    folder.line, folder_id=folder.folder_id, account_id=folder.account_id
                )
                self._done.folders += 1
            except (MailboxError, DatabaseError) as error:
                self._done.refuse(f"folder {folder.line.name!r} of {folder.line.user}: {error}")
                self._done.is_unfinished = True
                self._drop()
        self._folder = None

    def _mark(self, folder: _Merged) -> None:
        for (flags, keywords), uids in folder.marks.items():
            for start in range(0, len(uids), BATCH_MESSAGES):
                some = sorted(uids[start : start + BATCH_MESSAGES])
                job = ChangeFlags(
                    folder_id=folder.folder_id, uids=some, how=How.REPLACE, flags=flags,
                    keywords=tuple(keywords.split()),
                )  # fmt: skip
                with transaction.atomic(), connection.cursor() as cursor:
                    ChangeFlags.write_rows([job], cursor)
                if job.error is not None:
                    self._done.refuse(f"flags in {folder.line.name!r}: {job.error}")
                elif job.result.change is not None:
                    self._done.changed += len(job.result.change.marked)

    def _drop(self) -> None:
        folder, self._folder = self._folder, None
        if isinstance(folder, _Beside):
            with suppress(FolderNotFound):
                placing.drop_beside(
                    folder.line, account_id=folder.account_id, domain_id=self._domain.pk
                )

    def _subscribe(self, line: SubscriptionLine) -> None:
        account_id = self._account(line.user)
        if account_id is None:
            return
        name = folders.normal_name(line.name)
        mine = Subscription.objects.filter(account=account_id)
        if mine.filter(name=name).exists():
            return
        try:
            folders.subscribe(account_id=account_id, name=name)
            self._done.subscriptions += 1
        except (MailboxError, DatabaseError) as error:
            self._done.refuse(f"subscription of {line.user}: {error}")


def _may_become(there: Folder, line: FolderLine) -> bool:
    """Whether UIDs and UIDVALIDITY of the index can be the folder's."""
    return placing.is_untouched(there) and there.uidvalidity != line.uidvalidity
