"""The steps of moving the folder of a domain: taking the new place, the switch, the end (D-034).

`administration.moving` puts them together with what brings the files there.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F

from blobs.locks import locked
from blobs.models import Area
from domains import folders, selectors
from domains.errors import (
    DomainInRenaming,
    DomainUnknown,
    FolderInMove,
    FolderMovedOn,
    FolderRefused,
    Problem,
    ValuesRefused,
)
from domains.models import Domain, DomainRenaming, FolderMove
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


@dataclass(frozen=True, slots=True)
class Move:
    """From where to where, as areas keep it: absolute, or below the data directory."""

    domain_id: int
    name: str
    old_path: str
    new_path: str

    @property
    def source(self) -> Path:
        return Path(settings.MAILHOST_DATA / self.old_path)

    @property
    def goal(self) -> Path:
        return Path(settings.MAILHOST_DATA / self.new_path)


def plan(domain: Domain, folder_path: str) -> Move:
    """`folder_path`: absolute; empty: where a new domain's is, below the data directory.

    Asks all that can be asked before anything is done. Raises FolderRefused, ValuesRefused,
    DomainInRenaming, FolderInMove.
    """
    _require_free(domain)
    default = folders.default_path(domain.name)
    is_default = folder_path in ("", str(settings.MAILHOST_DATA / default))
    old = Area.objects.values_list("path", flat=True).get(pk=domain.area_id)
    if folder_path == str(settings.MAILHOST_DATA / old) or (is_default and old == default):
        raise ValuesRefused((Problem("folder_path", "it is the folder of the domain already"),))
    move = Move(
        domain.pk, domain.name, old, default if is_default else folders.check_path(folder_path)
    )
    _require_possible(move)
    return move


def text_for(path: str) -> str:
    """What `plan` takes for a folder that an area has had."""
    return str(settings.MAILHOST_DATA / path)


@transaction.atomic
def begin(move: Move, *, now: datetime, job_id: int | None = None) -> None:
    """Take the new place, so that nobody else gets it. Raises what `plan` does, FolderMovedOn."""
    domain = _locked(move)
    _require_free(domain)
    _require_where_it_was(domain, move)
    folders.require_apart(move.new_path)
    FolderMove.objects.create(
        domain=domain,
        area_id=domain.area_id,
        old_path=move.old_path,
        new_path=move.new_path,
        job_id=job_id,
        begun_at=now,
    )


@contextmanager
def alone(domain_id: int) -> Iterator[bool]:
    """Whether no other process of this machine moves that folder; freed however it ends."""
    with locked(f"move-{domain_id}", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_free:
        yield is_free


def is_switched(move: Move) -> bool:
    """Whether the folder is at its new place already. Raises FolderMovedOn."""
    domain = Domain.everything.filter(pk=move.domain_id).first()
    if domain is None:
        raise FolderMovedOn(move.name)
    path = Area.objects.values_list("path", flat=True).get(pk=domain.area_id)
    if path == move.new_path:
        return True
    if path != move.old_path or not is_begun(move):
        raise FolderMovedOn(move.name)
    return False


@transaction.atomic
def switch(move: Move, *, by: Actor | None) -> None:
    """From now on the folder is the new one; nobody may be writing into the old one.

    Raises DomainUnknown, FolderMovedOn, FolderRefused.
    """
    domain = _locked(move)
    _require_where_it_was(domain, move)
    if not is_begun(move):
        raise FolderMovedOn(move.name)
    folders.require_apart(move.new_path, moving=domain.pk)
    folders.require_unlinked(move.new_path)
    Area.objects.filter(pk=domain.area_id).update(path=move.new_path)
    Domain.objects.filter(pk=domain.pk).update(version=F("version") + 1)
    audit.record(by, "moved folder", domain, {"folder_path": (move.old_path, move.new_path)})
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


def is_begun(move: Move) -> bool:
    """Whether both places are still kept for it: else somebody else may have either by now."""
    rows = FolderMove.objects.filter(domain=move.domain_id)
    return rows.filter(old_path=move.old_path, new_path=move.new_path).exists()


def end(move: Move) -> None:
    """The one of the two places that is not the folder is nobody's from now on."""
    FolderMove.objects.filter(domain=move.domain_id, new_path=move.new_path).delete()


def running_of(domain: Domain) -> FolderMove | None:
    return FolderMove.objects.filter(domain=domain).first()


def of_row(row: FolderMove) -> Move:
    """Of a domain that is gone, too."""
    name = Domain.everything.values_list("name", flat=True).filter(pk=row.domain_id).first()
    return Move(row.domain_id, name or Path(row.old_path).name, row.old_path, row.new_path)


def area_of(move: Move) -> Area | None:
    """As it is now; None: even the mail of the deleted domain is gone."""
    row = FolderMove.objects.filter(domain=move.domain_id).first()
    key = row.area_id if row is not None else None
    if key is None:
        key = Domain.everything.values_list("area", flat=True).filter(pk=move.domain_id).first()
    return None if key is None else Area.objects.filter(pk=key).first()


def _require_possible(move: Move) -> None:
    old, new = Path(move.old_path), Path(move.new_path)
    if old.is_relative_to(new) or new.is_relative_to(old):
        raise FolderRefused(move.new_path, "it lies in the present folder, or that one in it")
    folders.require_apart(move.new_path)
    folders.require_writable(move.new_path)
    folders.require_absent(move.new_path)
    folders.require_unlinked(move.new_path)
    folders.require_room(move.old_path, move.new_path)


def _require_free(domain: Domain) -> None:
    renaming = DomainRenaming.objects.filter(domain=domain).first()
    if renaming is not None:
        raise DomainInRenaming(domain.name, renaming.name)
    move = FolderMove.objects.filter(domain=domain).first()
    if move is not None:
        raise FolderInMove(domain.name, move.new_path)


def _require_where_it_was(domain: Domain, move: Move) -> None:
    if not Area.objects.filter(pk=domain.area_id, path=move.old_path).exists():
        raise FolderMovedOn(move.name)


def _locked(move: Move) -> Domain:
    domain = selectors.locked(move.domain_id)
    if domain.is_deleting:
        raise DomainUnknown(move.name)
    return domain
