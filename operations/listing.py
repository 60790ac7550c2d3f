"""Blacklist and whitelist: networks that are never, or always, let in (M-070, M-071)."""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import QuerySet

from accounts import permissions
from accounts.models import User
from accounts.permissions import Verb
from blobs.contention import tried_again
from clock.moments import utc_now
from domains.errors import Problem, Refused, ValuesRefused
from domains.values import replace
from events import audit
from events.audit import Actor
from operations.addresses import exempt_networks, normal_network, own_addresses
from operations.errors import OwnNetwork
from operations.models import BlacklistEntry, WhitelistEntry
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Entry = TypeVar("Entry", bound=BlacklistEntry | WhitelistEntry)

SERVICES = ("smtp", "pop", "imap", "ldap", "web")
COLUMNS = ("network", "services", "note")
BATCH = 1000
LONGEST_FILE_CHARACTERS = 32 << 20
# Cells that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file; `problems` name the line."""

    added: int
    present: int
    problems: tuple[str, ...]


def blacklist_for(actor: User) -> QuerySet[BlacklistEntry]:
    """Raises NotPermitted."""
    permissions.require(actor, Verb.MANAGE_SERVER)
    return BlacklistEntry.objects.all()


def whitelist_for(actor: User) -> QuerySet[WhitelistEntry]:
    """Raises NotPermitted."""
    permissions.require(actor, Verb.MANAGE_SERVER)
    return WhitelistEntry.objects.all()


@tried_again
@transaction.atomic
def add(
    model: type[Entry],
    *,
    network: str,
    by: Actor | None,
    services: Sequence[str] = (),
    note: str = "",
    **more: Any,
) -> Entry:
    """Put a network on a list. Raises NetworkMalformed, OwnNetwork, ValuesRefused."""
    normal = normal_network(network)
    if model is BlacklistEntry:
        require_foreign(normal)
    row = model(network=normal, created_at=utc_now())
    replace(row, {"services": read_services(services), "note": note, **more}, fields=_fields(model))
    if model._default_manager.filter(network=normal).exists():
        raise ValuesRefused((Problem("network", "is listed already"),))
    row.save()
    audit.record(by, f"added {model._meta.verbose_name}", row)
    _publish(normal)
    return row


@transaction.atomic
def change(*, row: Entry, values: Mapping[str, Any], by: Actor | None) -> Entry:
    """Raises ValuesRefused."""
    if "services" in values:
        values = {**values, "services": read_services(values["services"])}
    changes = replace(row, values, fields=_fields(type(row)))
    if changes:
        row.save(update_fields=list(changes))
        audit.record(by, f"changed {row._meta.verbose_name}", row, changes)
        _publish(row.network)
    return row


@transaction.atomic
def remove(*, row: Entry, by: Actor | None) -> None:
    kept = {name: (getattr(row, name), None) for name in _fields(type(row))}
    audit.record(by, f"removed {row._meta.verbose_name}", row, kept)
    row.delete()
    _publish(row.network)


def import_csv(model: type[Entry], text: str, *, by: Actor | None) -> Imported:
    """Add what a file of `network,services,note` lines names; services apart by blanks.

    A first line with the names of the columns is passed over. Lines that cannot be taken are
    told of and do not hinder the others. Raises ValuesRefused for a file that is too large.
    """
    if len(text) > LONGEST_FILE_CHARACTERS:
        raise ValuesRefused((Problem("file", "is too large"),))
    forbidden = _Forbidden() if model is BlacklistEntry else None
    now = utc_now()
    rows: dict[str, Entry] = {}
    problems = []
    for number, line in enumerate(csv.reader(io.StringIO(text)), start=1):
        if not line or not line[0].strip() or line[0].strip().lower() == COLUMNS[0]:
            continue
        try:
            row = _read_line(model, line, now)
            if forbidden is not None:
                forbidden.refuse(row.network)
        except Refused as error:
            problems.append(f"line {number}: {error}")
        else:
            rows[row.network] = row
    added = _insert(model, list(rows.values()), by)
    return Imported(added, len(rows) - added, tuple(problems))


@transaction.atomic
def remove_imported(model: type[Entry], *, at: datetime, by: Actor | None) -> int:
    """Take out what the import of that moment put in, as far as it stands there yet."""
    rows = model._default_manager.filter(created_at=at)
    row, count = rows.first(), rows.count()
    if row is not None:
        what = f"removed imported {model._meta.verbose_name_plural}"
        audit.record(by, what, row, {"entries": (count, 0), "created_at": (at, None)})
        rows.delete()
        publish_on_commit(Topic.BLOCKS, 0, b"", durable=True)
    return count


def export_csv(model: type[Entry]) -> Iterator[str]:
    """The whole list in lines, as `import_csv` takes it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in model._default_manager.order_by("pk").iterator():
        writer.writerow([row.network, " ".join(row.services), _cell(row.note)])
        if buffer.tell() > 64 * 1024:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def read_services(names: Iterable[str]) -> list[str]:
    """In one order and each once. Raises ValuesRefused."""
    wanted = {name.strip().lower() for name in names if name.strip()}
    if unknown := wanted - set(SERVICES):
        reason = f"{', '.join(sorted(unknown))} is none of {', '.join(SERVICES)}"
        raise ValuesRefused((Problem("services", reason),))
    return [name for name in SERVICES if name in wanted]


def require_foreign(network: str) -> None:
    """Raises OwnNetwork for what must not be locked out (M-046)."""
    _Forbidden().refuse(network)


class _Forbidden:
    """This machine's addresses, loopback and the whitelist, looked up once."""

    def __init__(self) -> None:
        self._networks = exempt_networks()
        own = own_addresses() - {"127.0.0.1", "::1"}
        self._own = [ipaddress.ip_network(address) for address in own]
        listed = WhitelistEntry.objects.filter(services=[]).values_list("network", flat=True)
        self._listed = [ipaddress.ip_network(network) for network in listed]

    def refuse(self, network: str) -> None:
        """Raises OwnNetwork."""
        wanted = ipaddress.ip_network(network)
        for known in (*self._own, *self._networks):
            if wanted.version == known.version and wanted.overlaps(known):
                raise OwnNetwork(network, str(known))
        for known in self._listed:
            # A trusted network within a listed one stays trusted; the same one makes no sense.
            if wanted.version == known.version and wanted.subnet_of(known):  # type: ignore[arg-type]
                raise OwnNetwork(network, str(known))


def _read_line(model: type[Entry], line: list[str], now: datetime) -> Entry:
    cells = [*line, "", ""]
    row = model(network=normal_network(cells[0]), created_at=now)
    values = {"services": read_services(cells[1].split()), "note": cells[2].removeprefix("'")}
    replace(row, values, fields=_fields(model))
    return row


def _insert(model: type[Entry], rows: Sequence[Entry], by: Actor | None) -> int:
    with transaction.atomic():
        before = model._default_manager.count()
        rows_of: Any = model._default_manager  # of either list
        rows_of.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
        added = model._default_manager.count() - before
        if added:
            changes = {
                "entries": (before, before + added),
                "created_at": (None, rows[0].created_at),
            }
            audit.record(by, f"imported {model._meta.verbose_name_plural}", rows[0], changes)
            publish_on_commit(Topic.BLOCKS, 0, b"", durable=True)
    return added


def _cell(text: str) -> str:
    """A quote before what a spreadsheet would calculate."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _fields(model: type[Any]) -> tuple[str, ...]:
    extra = ("skips_greylisting",) if model is WhitelistEntry else ()
    return ("services", "note", *extra)


def _publish(network: str) -> None:
    publish_on_commit(Topic.BLOCKS, 0, network.encode(), durable=True)
