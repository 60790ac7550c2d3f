"""The steps of giving a domain another name: closing it, its rows and folder, opening it again.

`administration.renaming` puts them together with what the other rooms keep under the name.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from blobs.models import Area
from clock.moments import utc_now
from domains import folders, limits, selectors
from domains.errors import (
    DomainInRenaming,
    DomainUnknown,
    FolderInMove,
    NameMovedOn,
    NameTaken,
    Problem,
    ValuesRefused,
)
from domains.models import (
    Domain,
    DomainAlias,
    DomainLimits,
    DomainRenaming,
    FolderMove,
    HostedName,
)
from domains.names import DomainName, read_name
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

log = structlog.get_logger()

# Longer than any step takes; a rename that is begun again does not wait for it.
LEASE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Naming:
    """From which name to which, and where the folder lies before and after."""

    domain_id: int
    old: str
    new: DomainName
    old_path: str
    new_path: str
    keeps_old: bool  # as a domain alias (D-114)
    was_alias: bool  # the new name was an alias of this very domain: they are swapped


def plan(domain: Domain, name: str, *, keeps_old: bool) -> Naming:
    """Raises NameMalformed, NameTaken, ValuesRefused."""
    new = read_name(name)
    if new.name == domain.name:
        raise ValuesRefused((Problem("name", "it is the name of the domain already"),))
    hosted = HostedName.objects.filter(name=new.name).first()
    if hosted is not None and hosted.domain_id != domain.pk:
        raise NameTaken(new.name)
    path = domain.area.path
    return Naming(
        domain.pk, domain.name, new, path, folders.renamed(path, domain.name, new.name),
        keeps_old=keeps_old, was_alias=hosted is not None,
    )  # fmt: skip


def obstacles(naming: Naming) -> list[Callable[[], None]]:
    """What to ask before the rename; each raises the fact that is in its way."""
    return [
        lambda: _require_alias_room(naming),
        lambda: _require_folder(naming),
        lambda: _require_open(naming),
    ]


@transaction.atomic
def close(naming: Naming, *, now: datetime) -> str:
    """Close the domain for as long as it takes; the token of who does it (D-113).

    Takes over from whoever began the same rename and did not end it. Raises DomainUnknown,
    NameMovedOn, DomainInRenaming, FolderInMove.
    """
    domain = _locked(naming)
    _require_still(naming)
    row = DomainRenaming.objects.filter(domain=domain).first()
    if row is not None and row.name != naming.new.name:
        raise DomainInRenaming(domain.name, row.name)
    token = secrets.token_hex(16)
    DomainRenaming.objects.update_or_create(
        domain=domain,
        defaults={
            "name": naming.new.name,
            "old_path": naming.old_path,
            "new_path": naming.new_path,
            "token": token,
            "until": now + LEASE,
        },
    )
    _tell(domain.pk)
    return token


@transaction.atomic
def rename_rows(naming: Naming, *, by: Actor | None) -> Domain:
    """The domain, its names and its area; the folder is for the caller to move.

    Raises DomainUnknown, NameMovedOn, NameTaken, LimitReached.
    """
    domain = _locked(naming)
    _require_alias_room(naming)
    before = sorted(domain.aliases.values_list("name", flat=True))
    new = naming.new
    old_unicode = domain.unicode_name
    if naming.was_alias:
        DomainAlias.objects.filter(domain=domain, name=new.name).delete()
        HostedName.objects.filter(domain=domain, name=new.name).delete()
    HostedName.objects.filter(domain=domain, name=naming.old).delete()
    try:
        with transaction.atomic():
            HostedName.objects.create(name=new.name, domain=domain)
    except IntegrityError:
        raise NameTaken(new.name) from None
    domain.name, domain.unicode_name = new.name, new.unicode_name
    domain.version += 1
    domain.save(update_fields=["name", "unicode_name", "version"])
    if naming.keeps_old:
        HostedName.objects.create(name=naming.old, domain=domain, is_alias=True)
        DomainAlias.objects.create(
            domain=domain, name=naming.old, unicode_name=old_unicode, created_at=utc_now()
        )
    Area.objects.filter(pk=domain.area_id).update(
        name=folders.default_path(new.name), path=naming.new_path
    )
    after = sorted(domain.aliases.values_list("name", flat=True))
    changes = {"name": (naming.old, new.name), "domain_aliases": (before, after)}
    audit.record(by, "renamed domain", domain, changes)
    _tell(domain.pk)
    return domain


def require_mine(naming: Naming, token: str) -> None:
    """In the transaction that renames. Raises DomainInRenaming: somebody has taken over."""
    rows = DomainRenaming.objects.select_for_update().filter(domain=naming.domain_id)
    row = rows.first()
    if row is None or row.token != token:
        raise DomainInRenaming(naming.old, row.name if row else "")


@transaction.atomic
def open_again(domain_id: int, token: str) -> None:
    """The folder is brought where the rows say, and the domain serves its people."""
    row = DomainRenaming.objects.select_for_update().filter(domain=domain_id, token=token).first()
    if row is not None:
        _finish(row)


@transaction.atomic
def open_renamed(domain_id: int, name: str) -> None:
    """The same after a crash that came when the rows had the new name."""
    row = DomainRenaming.objects.select_for_update().filter(domain=domain_id, name=name).first()
    if row is not None:
        _finish(row)


def mend(*, now: datetime) -> int:
    """Open the domains whose rename died, under the name that their rows have; how many."""
    mended = 0
    for row in DomainRenaming.objects.filter(until__lt=now):
        with transaction.atomic():
            late = DomainRenaming.objects.select_for_update().filter(pk=row.pk, until__lt=now)
            if (still := late.first()) is not None:
                _finish(still)
                mended += 1
                log.warning("an unfinished rename was ended", domain=row.domain_id, name=row.name)
    return mended


def _finish(row: DomainRenaming) -> None:
    path = Area.objects.values_list("path", flat=True).get(pk=row.domain.area_id)
    for other in {row.old_path, row.new_path} - {path}:
        try:
            if folders.bring(other, path):
                log.info("domain folder brought back", path=path)
        except OSError as error:
            log.error("domain folder not moved", path=other, reason=error.strerror)
    domain_id = row.domain_id
    row.delete()
    _tell(domain_id)


def _locked(naming: Naming) -> Domain:
    try:
        domain = selectors.locked(naming.domain_id)
    except DomainUnknown:
        raise DomainUnknown(naming.old) from None
    if domain.is_deleting:
        raise DomainUnknown(naming.old)
    # D-111: whoever renamed it meanwhile was first.
    if domain.name != naming.old:
        raise NameMovedOn(naming.old, domain.name)
    return domain


def _require_alias_room(naming: Naming) -> None:
    if naming.keeps_old and not naming.was_alias:
        ceiling = DomainLimits.objects.get(domain=naming.domain_id).domain_aliases
        used = DomainAlias.objects.filter(domain=naming.domain_id).count()
        limits.require_room("domain_aliases", ceiling, used=used)


def _require_folder(naming: Naming) -> None:
    if naming.new_path != naming.old_path:
        folders.require_apart(naming.new_path)
        folders.require_writable(naming.new_path)
        folders.require_absent(naming.new_path)


def _require_still(naming: Naming) -> None:
    move = FolderMove.objects.filter(domain=naming.domain_id).first()
    if move is not None:
        raise FolderInMove(naming.old, move.new_path)


def _require_open(naming: Naming) -> None:
    if Domain.objects.filter(pk=naming.domain_id, is_deleting=True).exists():
        raise DomainUnknown(naming.old)
    _require_still(naming)
    row = DomainRenaming.objects.filter(domain=naming.domain_id).first()
    if row is not None and row.name != naming.new.name:
        raise DomainInRenaming(naming.old, row.name)


def _tell(domain_id: int) -> None:
    publish_on_commit(Topic.DOMAIN, domain_id, durable=True)
