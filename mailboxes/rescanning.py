"""Looking through a domain's folder for mail that came or went behind the server's back (D-013)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from django.db import connection, transaction

from accounts.models import User
from blobs import references
from blobs.committer import Committer, Job
from blobs.errors import BadId
from blobs.holding import held, held_alone
from blobs.ids import decode_id, new_id, time_of
from blobs.models import Area, Blob, Segment
from blobs.record import Found, scan
from blobs.segment import SUFFIX, NewRecord
from blobs.store import new_body
from blobs.sweep import is_being_written
from clock.moments import from_micros, to_micros, utc_now
from domains.models import Domain
from mailboxes import folders, index, standard
from mailboxes.bringing import Bringer, Brought, Records
from mailboxes.delivery import Delivery, deliver
from mailboxes.errors import MailboxError
from mailboxes.expunging import Expunge
from mailboxes.index import IndexBroken
from mailboxes.models import Folder, Message
from protocols.address import fold
from protocols.message.facts import facts

IMPORTED = "imported"
RELOADED = "Reloaded"  # of the administrator: mail of which nobody knows whose it was
HOLD_SECONDS = 30.0
BATCH = 500
MOST_ERRORS = 100
# Mail that was waiting when an index was made may have come into a folder since.
LONGEST_WAIT = timedelta(days=30)

Tell = Callable[[str], None]


@dataclass(slots=True)
class Rescan:
    added: int = 0
    known: int = 0  # what lay in new files and was there already
    expunged: int = 0
    brought: Brought = field(default_factory=Brought)  # what an index had to say
    errors: list[str] = field(default_factory=list)

    def complain(self, words: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(words)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message lay, with all that is not in its bytes."""

    local_part: str
    folder: str
    flags: int
    keywords: str
    prefix: str
    received_at: int


def rescan(domain: Domain, committer: Committer, tell: Tell, source: Path | None = None) -> Rescan:
    """Expunge what has vanished, take in what is new. `tell` may raise to end it: what is done
    stays done, and the next rescan goes on. Raises AreaBusy, StoreError, OSError.

    `source`: where new mail is looked for, such as a backup, which is only read; None: in the
    domain's own folder.
    """
    result = Rescan()
    area = Area.objects.get(pk=domain.area_id)
    with held_alone(area, seconds=HOLD_SECONDS):
        missing = _missing(area, result)
        foreign = list(_foreign(area, source or area.directory, result))
    if missing:
        tell(f"{len(missing):,} records have vanished")
        _expunge(domain, missing, result)
    folder = source or area.directory
    made_at = _bring_back(domain, folder, foreign, tell, result)
    if foreign:
        places = _places_elsewhere(foreign) if made_at is None else {}
        for path in foreign:
            tell(f"New file {path.name}")
            is_whole = _take_in(domain, path, places, made_at, committer, result)
            if is_whole and source is None and not result.brought.is_unfinished:
                goal = path.parent / IMPORTED
                goal.mkdir(mode=0o700, exist_ok=True)
                path.rename(goal / path.name)
    if source is None and made_at is not None and not result.brought.is_unfinished:
        index.set_aside(folder, domain.pk)
    return result


def _bring_back(
    domain: Domain, folder: Path, paths: list[Path], tell: Tell, result: Rescan
) -> datetime | None:
    """What an index says that somebody else wrote; when he did. None: there is none."""
    try:
        path = index.found(folder, domain.pk)
        if path is None:
            return None
        head = index.read_head(path)
    except (IndexBroken, OSError) as error:
        result.complain(f"the index cannot be read: {error}")
        return None
    tell("Bringing back what the index says")
    area = Area.objects.get(pk=domain.area_id)
    with held(area):
        records = Records(paths, tell, result.complain)
        committer = Committer(area)
        try:
            Bringer(domain, records, committer, tell, result.brought).run(path)
        finally:
            committer.stop()
    return from_micros(head.made_at)


def _missing(area: Area, result: Rescan) -> set[int]:
    """Blobs whose file is gone or cut short."""
    sizes: dict[int, int] = {}
    for path in area.directory.glob(f"*{SUFFIX}"):
        try:
            sizes[decode_id(path.stem)] = path.stat().st_size
        except BadId:
            result.complain(f"{path.name} is no file of a mail store")
    segments = list(Segment.objects.filter(area=area, live_bytes__gt=0))
    if segments and not any(segment.pk in sizes for segment in segments):
        # Much more probably a volume that is not mounted than mail that was thrown away.
        result.complain("the folder has none of its files: nothing was expunged")
        return set()
    found: set[int] = set()
    for segment in segments:
        size = sizes.get(segment.pk, 0)
        if size < segment.size_bytes:
            rows = Blob.objects.filter(segment=segment).values_list("id", "offset", "length")
            found.update(key for key, offset, length in rows if offset + length > size)
    return found


def _expunge(domain: Domain, missing: set[int], result: Rescan) -> None:
    by_folder: defaultdict[int, list[int]] = defaultdict(list)
    rows = Message.objects.filter(folder__account__domain=domain)
    for folder_id, uid, blob_id in rows.values_list("folder_id", "uid", "blob_id").iterator():
        if blob_id in missing:
            by_folder[folder_id].append(uid)
    for folder_id, uids in sorted(by_folder.items()):
        for start in range(0, len(uids), BATCH):
            some = sorted(uids[start : start + BATCH])
            job = Expunge(folder_id=folder_id, domain_id=domain.pk, uids=some, even_unflagged=True)
            with transaction.atomic(), connection.cursor() as cursor:
                Expunge.write_rows([job], cursor)
            result.expunged += len(some) if job.error is None else 0


def _foreign(area: Area, folder: Path, result: Rescan) -> Iterator[Path]:
    """Files of records that this server did not write there."""
    own = set(Segment.objects.filter(area=area).values_list("pk", flat=True))
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            segment_id = decode_id(path.stem)
        except BadId:
            continue
        if path.is_symlink() or not path.is_file():
            result.complain(f"{path.name} is no file of its own")  # but perhaps another domain's
        elif segment_id not in own and not is_being_written(path):
            yield path


def _places_elsewhere(paths: list[Path]) -> dict[int, list[Place]]:
    """By blob: where messages of other domains lie whose files were copied here (D-116)."""
    segments = Segment.objects.filter(pk__in=[decode_id(path.stem) for path in paths])
    areas = set(segments.values_list("area_id", flat=True))
    ids = set(segments.values_list("pk", flat=True))
    found: defaultdict[int, list[Place]] = defaultdict(list)
    rows = Message.objects.filter(
        folder__account__domain__area__in=areas, blob__segment__in=ids
    ).values_list(
        "blob_id", "folder__account__local_part", "folder__name", "flags", "keywords", "prefix",
        "received_at",
    )  # fmt: skip
    for blob_id, local_part, folder, flags, keywords, prefix, received_at in rows.iterator():
        at = to_micros(received_at)
        found[blob_id].append(Place(local_part, folder, flags, keywords, prefix, at))
    return found


@dataclass(slots=True, kw_only=True, eq=False)
class TakeIn(Job):
    """The messages of one record, written with its bytes; its result is how many there are."""

    deliveries: list[Delivery]

    @staticmethod
    def write_rows(jobs: Any, cursor: Any) -> None:
        all_of_them = [delivery for job in jobs for delivery in job.deliveries]
        deliver(cursor, all_of_them, now=to_micros(utc_now()))
        for job in jobs:
            failed = [each.error for each in job.deliveries if each.error is not None]
            job.result = len(job.deliveries) - len(failed)
            job.error = failed[0] if not job.result else None
            if failed and job.result:
                # One reference each was counted beforehand.
                references.change(cursor, {job.records[0].blob_id: -len(failed)})


def _take_in(
    domain: Domain,
    path: Path,
    places: dict[int, list[Place]],
    made_at: datetime | None,
    committer: Committer,
    result: Rescan,
) -> bool:
    """Whether nothing of the file is left to be done. `made_at`: of the index, if there is one."""
    people = dict(User.objects.filter(domain=domain).values_list("local_part", "pk"))
    there = _there(domain)
    is_whole = True
    for seen in scan(path, check_bodies=made_at is None):
        if not isinstance(seen, Found):
            if made_at is None:  # else that was told
                result.complain(f"{path.name} is damaged at {seen.offset}: {seen.reason}")
            continue
        if made_at is not None and _is_settled_by_index(seen, made_at, result.brought):
            continue
        blob_id = seen.header.blob_id
        if Message.objects.filter(blob_id=blob_id, folder__account__domain=domain).exists():
            result.known += 1  # a move that was cut off has left its copies
            continue
        wanted = places.get(blob_id) or _by_envelope(domain, seen, people)
        try:
            is_whole &= _write(domain, path, seen, wanted, people, there, committer, result)
        except MailboxError as error:
            result.complain(f"a message of {path.name} was not taken in: {error}")
            is_whole = False
    return is_whole


def _is_settled_by_index(seen: Found, made_at: datetime, brought: Brought) -> bool:
    """What the index names was brought back; what it should name was in no folder any more."""
    if seen.header.digest in brought.named:
        return True
    try:
        return time_of(seen.header.blob_id) < made_at - LONGEST_WAIT
    except (OverflowError, ValueError):
        return False


def _there(domain: Domain) -> set[tuple[int, bytes, int]]:
    """What was taken in before an interruption is not taken in again."""
    rows = Message.objects.filter(folder__account__domain=domain)
    columns = rows.values_list("folder_id", "blob__digest", "received_at")
    return {(folder, bytes(digest), to_micros(at)) for folder, digest, at in columns.iterator()}


def _by_envelope(domain: Domain, seen: Found, people: dict[str, int]) -> list[Place]:
    """The inboxes of whom the message was sent to; else a folder of the administrator's."""
    at = to_micros(time_of(seen.header.blob_id))
    try:
        said = msgspec.json.decode(seen.meta) if seen.meta else {}
        addresses = [str(row[0]) for row in said.get("recipients", [])]
        at = int(said.get("accepted_at", at))
    except (msgspec.DecodeError, AttributeError, IndexError, TypeError, ValueError):
        addresses = []
    known = [fold(address.rpartition("@")[0]) for address in addresses]
    mine = [local_part for local_part in dict.fromkeys(known) if local_part in people]
    if mine:
        return [Place(one, standard.INBOX, 0, "", "", at) for one in mine]
    administrator = User.objects.filter(domain=domain, is_primary_administrator=True).first()
    if administrator is None:
        return []
    return [Place(administrator.local_part, RELOADED, 0, "", "", at)]


def _write(
    domain: Domain,
    path: Path,
    seen: Found,
    wanted: list[Place],
    people: dict[str, int],
    there: set[tuple[int, bytes, int]],
    committer: Committer,
    result: Rescan,
) -> bool:
    """False: somebody whose mail it is does not exist here. Raises MailboxError."""
    with path.open("rb") as file:
        file.seek(seen.offset + seen.header.body_start)
        body = file.read(seen.header.body_bytes)
    missing = {place.local_part for place in wanted} - people.keys()
    for local_part in sorted(missing):
        result.complain(f"there is no user {local_part}, who has mail in {path.name}")
    deliveries = []
    record = NewRecord(new_id(), seen.meta, seen.facts or facts(body), new_body(body))
    for place in wanted:
        if place.local_part in missing:
            continue
        account_id = people[place.local_part]
        folder_id = _folder(account_id, place.folder)
        if (folder_id, seen.header.digest, place.received_at) in there:
            result.known += 1
            continue
        deliveries.append(
            Delivery(
                account_id=account_id, domain_id=domain.pk, blob_id=record.blob_id,
                prefix=place.prefix, size_bytes=len(place.prefix.encode()) + len(body),
                received_at=place.received_at, folder_id=folder_id, flags=place.flags,
                keywords=place.keywords, is_exempt=True,
            )
        )  # fmt: skip
    if deliveries:
        record.references = len(deliveries)
        job = TakeIn(records=[record], deliveries=deliveries)
        result.added += committer.commit_now(job)
    return not missing


def _folder(account_id: int, name: str) -> int:
    found = Folder.objects.filter(account=account_id, name=name).first()
    if found is None:
        folders.ensure_standard(account_id=account_id, now=utc_now())
        found = Folder.objects.filter(account=account_id, name=name).first()
    if found is None:
        folders.create(account_id=account_id, name=name, now=utc_now())
        found = Folder.objects.get(account=account_id, name=name)
    return found.pk
