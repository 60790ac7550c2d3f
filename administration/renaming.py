"""Renaming a domain: the rehearsal, and the run over all rooms (D-110…D-116)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from django.db import transaction

from accounts import renaming as of_accounts
from accounts.models import User
from accounts.permissions import Verb, require
from administration.errors import DomainInUse, RenameRefused
from blobs import holding
from blobs.errors import StoreError
from blobs.holding import AreaBusy
from certificates.models import Certificate
from clock.moments import utc_now
from domains import folders, switches
from domains import renaming as of_domains
from domains.changes import Followed
from domains.errors import NameTaken, Refused
from domains.models import Domain
from domains.renaming import Naming
from jobs.progress import Progress
from mailboxes import manifest
from operations.models import Connection
from spool import renaming as of_spool
from zones import facts
from zones import services as of_zones
from zones.models import ZoneCheck
from zones.records import Record

log = structlog.get_logger()

# How long the domain's mail may be in the hands of others before nothing is done (D-113).
PATIENCE_SECONDS = 30.0
# Sessions are told to end; whoever does not listen loses nothing by the new name.
SESSION_SECONDS = 3.0
DNS_SECONDS = 2.0
STEPS = 4

# Rooms above this one that keep something under a domain's name.
Follow = Callable[[Naming], Iterable[Followed]]
_followers: list[Follow] = []


def when_renamed(function: Follow) -> Follow:
    """Register a function, from the `ready` of a room's app; called in the transaction."""
    _followers.append(function)
    return function


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What renaming would do. `conflicts`: why it would not; then nothing else is known."""

    old: str
    new: str
    new_unicode: str
    keeps_old: bool
    conflicts: tuple[Refused, ...]
    changes: tuple[Followed, ...] = ()
    consequences: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()
    opened_by: tuple[str, ...] = ()  # foreign programs in the folder (D-115)


@dataclass(frozen=True, slots=True)
class Renamed:
    old: str
    new: str
    changes: tuple[Followed, ...]
    closed_seconds: float


def rehearse(domain: Domain, *, name: str, keeps_old: bool) -> Rehearsal:
    """Everything is done and taken back at once, so what it tells is what would happen.

    Raises NameMalformed, ValuesRefused.
    """
    try:
        naming = of_domains.plan(domain, name, keeps_old=keeps_old)
    except NameTaken as error:
        return Rehearsal(domain.name, error.name, error.name, keeps_old, (error,))
    conflicts = tuple(_conflicts(naming))
    told = naming.old, naming.new.name, naming.new.unicode_name, keeps_old, conflicts
    if conflicts:
        return Rehearsal(*told)
    with transaction.atomic():
        changes = _rename_rows(naming, by=None)
        transaction.set_rollback(True)
    return Rehearsal(
        *told,
        changes=changes,
        consequences=tuple(_consequences(domain, naming)),
        records=tuple(_records(domain, naming)),
        opened_by=tuple(folders.opened_by(naming.old_path)),
    )


def require_possible(domain: Domain, *, name: str, keeps_old: bool, by: User | None) -> Naming:
    """Before a job is begun. Raises NotPermitted, NameMalformed, NameTaken, ValuesRefused,
    RenameRefused."""
    if by is not None:
        require(by, Verb.RENAME_DOMAIN, domain)
    naming = of_domains.plan(domain, name, keeps_old=keeps_old)
    if conflicts := tuple(_conflicts(naming)):
        raise RenameRefused(conflicts)
    return naming


def run(progress: Progress, naming: Naming, *, by: User | None) -> Renamed:
    """All or nothing; begun again after a crash it goes on where that leaves it.

    Raises what `require_possible` does, DomainInUse, JobStopped, and what the rooms refuse.
    """
    began = time.monotonic()
    token = of_domains.close(naming, now=utc_now())
    try:
        progress.report(1, STEPS, "The domain is closed; what is in hand comes to its end")
        _wait_for_deliveries(naming, progress)
        progress.report(2, STEPS, "Everything gets the new name")
        changes = _move(naming, token, by)
    except Refused as error:
        # Whoever asked reads the notes; the traceback of a failed job is for the operator.
        progress.note(f"Nothing was renamed: {error}")
        raise
    finally:
        of_domains.open_again(naming.domain_id, token)
    closed_seconds = round(time.monotonic() - began, 2)
    progress.note(f"{naming.old} is {naming.new.name}; it was closed for {closed_seconds} s")
    finish(naming.domain_id)
    return Renamed(naming.old, naming.new.name, changes, closed_seconds)


def finish(domain_id: int) -> None:
    """What follows a rename and may be done twice: the manifest, waiting mail, the DNS check."""
    with transaction.atomic():
        of_spool.deliver_what_waited(domain_id, now=utc_now())
        ZoneCheck.objects.filter(domain=domain_id).delete()
    domain = Domain.objects.select_related("area").filter(pk=domain_id).first()
    if domain is not None:
        try:
            manifest.write(domain)
        except (OSError, StoreError) as error:  # it is written again by who looks after it
            log.warning("manifest not written", domain=domain.name, reason=str(error))


def _conflicts(naming: Naming) -> Iterable[Refused]:
    for ask in of_domains.obstacles(naming):
        try:
            ask()
        except Refused as error:
            yield error
    if of_spool.is_relayed(naming.new.name):
        yield DomainInUse(naming.new.name, "its mail is passed on to another server (backup MX)")


def _move(naming: Naming, token: str, by: User | None) -> tuple[Followed, ...]:
    """Rows and folder together: the folder comes last, right before the commit."""
    area = Domain.objects.select_related("area").get(pk=naming.domain_id).area
    try:
        with holding.held_alone(area, seconds=PATIENCE_SECONDS), transaction.atomic():
            of_domains.require_mine(naming, token)
            changes = _rename_rows(naming, by=by)
            if naming.new_path != naming.old_path:
                folders.rename(naming.old_path, naming.new_path)
    except AreaBusy:
        raise DomainInUse(naming.old, "its folder is being written to without a pause") from None
    return changes


def _rename_rows(naming: Naming, *, by: User | None) -> tuple[Followed, ...]:
    of_domains.rename_rows(naming, by=by)
    found = [*of_accounts.follow(naming), *of_spool.follow(naming)]
    for function in _followers:
        found += function(naming)
    return tuple(each for each in found if each.count)


def _wait_for_deliveries(naming: Naming, progress: Progress) -> None:
    """Raises DomainInUse, JobStopped."""
    began = time.monotonic()
    while True:
        waited, now = time.monotonic() - began, utc_now()
        deliveries = of_spool.being_delivered(naming.domain_id, now=now)
        if not deliveries and (waited > SESSION_SECONDS or not _sessions(naming.domain_id)):
            return
        if waited > PATIENCE_SECONDS:
            raise DomainInUse(naming.old, f"{deliveries} of its messages are being delivered")
        progress.check()
        time.sleep(0.1)


def _sessions(domain_id: int) -> int:
    return Connection.objects.filter(domain_id=domain_id, is_outbound=False).count()


def _consequences(domain: Domain, naming: Naming) -> Iterable[str]:
    """For people, in full sentences."""
    old, new = domain.unicode_name, naming.new.unicode_name
    users = User.objects.filter(domain=domain).count()
    yield (
        "While it runs, usually for a second or two, nobody of the domain can log in, and other"
        " servers are asked to try again later: no mail is lost."
    )
    if naming.keeps_old:
        yield (
            f"{old} stays as a domain alias: mail for it arrives, and mail programs go on to work"
            " with the old address. It can be renamed back as long as the alias is there."
        )
        yield f"{_people(users)} should log in as NAME@{new} from then on, and tell others."
    else:
        yield f"Mail for {old} is refused from then on, and there is no way back by Undo."
        yield f"{_people(users)} must log in as NAME@{new} from then on; passwords stay."
    if count := _sessions(domain.pk):
        yield f"{count} open sessions of mail programs are ended; they connect anew by themselves."
    yield (
        f"Before any mail for {new} can arrive, its DNS records must stand: they are listed below."
    )
    if switches.is_on(domain.pk, "mail_signing"):
        yield f"Signing keys belong to a name: publish the key of {new} before you send from it."
    hosts = [
        host
        for host in Certificate.objects.values_list("host", flat=True)
        if host == naming.old or host.endswith(f".{naming.old}")
    ]
    if hosts:
        yield f"Certificates for names below {old} stay, and do not fit the new name: " + (
            f"{', '.join(sorted(hosts))}."
        )
    if naming.new_path != naming.old_path:
        yield f"The folder {naming.old_path} becomes {naming.new_path}; its content is not copied."
    yield (
        "Settings, limits, plan, gateways, quota, folders, reports and the audit trail belong to"
        " the domain itself and stay. What was logged stands under the old name."
    )


def _people(users: int) -> str:
    return f"{users:,} users" if users != 1 else "1 user"


def _records(domain: Domain, naming: Naming) -> list[Record]:
    """What must stand in the DNS of the new name."""
    renamed = copy.copy(domain)
    renamed.name, renamed.unicode_name = naming.new.name, naming.new.unicode_name
    return of_zones.advise(renamed, lookup=facts.new_lookup(patience_seconds=DNS_SECONDS))
