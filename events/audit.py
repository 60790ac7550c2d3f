"""The record of who changed what: append-only, written in the transaction of the change (X-005)."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, cast

from django.db import transaction
from django.db.models import Model

from clock.moments import utc_now
from events.models import AuditEntry
from logbook.kinds import Kind as LogKind
from logbook.writer import BOOK
from protocols.address import MalformedAddress, parse_domain

Changes = Mapping[str, tuple[Any, Any]]

MASK = "***"
LONGEST_REASON = 300
SECRETS = frozenset(
    {
        "password",
        "client_secret",
        "scram_salt",
        "scram_stored_key",
        "scram_server_key",
        "cram_md5_state",
        "post_password",
    }
)


class Actor(Protocol):
    """An account, seen from this floor: a key, and a name by `str`."""

    @property
    def pk(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a door knows of the caller and no service asks for."""

    name: str = ""
    impersonator: Actor | None = None
    client_address: str = ""
    operation: str = ""
    reason: str = ""
    undoes: int | None = None


_UNKNOWN = Circumstances()
_circumstances: ContextVar[Circumstances] = ContextVar("circumstances", default=_UNKNOWN)


@contextmanager
def acting(
    *,
    name: str = "",
    impersonator: Actor | None = None,
    client_address: str = "",
    operation: str = "",
    reason: str = "",
) -> Iterator[None]:
    """Entries made inside tell how the change came: doors wrap their call of a service in it.

    `name` stands for an actor without an account, such as a command; `impersonator` is the one who
    really acts where `by` is another account: entries then bear both names (U-060).
    All entries made inside are
    one operation, which is undone as one; `operation` names one that goes on, such as a job's.
    """
    where = Circumstances(
        name, impersonator, client_address, operation or new_operation(), reason[:LONGEST_REASON]
    )
    with _under(where):
        yield


def undoing(entry: AuditEntry, *, operation: str) -> AbstractContextManager[None]:
    """Entries made inside take back that one, and belong to `operation`."""
    return _under(replace(_circumstances.get(), operation=operation, undoes=entry.pk))


def because(reason: str) -> AbstractContextManager[None]:
    """Entries made inside say why."""
    return _under(replace(_circumstances.get(), reason=reason[:LONGEST_REASON]))


def current_operation() -> str:
    """Empty outside of `acting`."""
    return _circumstances.get().operation


def current_impersonator() -> Actor | None:
    """Who really acts where `by` is another account; None: `by` does."""
    return _circumstances.get().impersonator


def current_name() -> str:
    """Who acts without an account; empty outside of `acting`."""
    return _circumstances.get().name


def new_operation() -> str:
    return uuid.uuid4().hex


@contextmanager
def _under(where: Circumstances) -> Iterator[None]:
    token = _circumstances.set(where)
    try:
        yield
    finally:
        _circumstances.reset(token)


def acting_by_command(command: str) -> AbstractContextManager[None]:
    """The same for `manage.py <command>`, run by whoever is logged in to the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return acting(name=f"{user} (manage.py {command})")


def record(by: Actor | None, verb: str, subject: Model, changes: Changes | None = None) -> None:
    """Add one entry. `by` None: the server itself."""
    record_all(by, verb, [(subject, changes or {})])


def record_all(by: Actor | None, verb: str, subjects: Iterable[tuple[Model, Changes]]) -> None:
    """The same for many subjects at once, in one statement."""
    now, where = utc_now(), _circumstances.get()
    impersonated = ""
    if by is not None and where.impersonator is not None and where.impersonator.pk != by.pk:
        by, impersonated = where.impersonator, str(by)
    actor = str(by) if by is not None else where.name or "server"
    operation = where.operation or new_operation()
    entries = [
        AuditEntry(
            at=now,
            actor_id=by.pk if by is not None else None,
            actor=actor[:320],
            impersonated=impersonated[:320],
            client_address=where.client_address,
            operation=operation,
            reason=where.reason,
            undoes=where.undoes,
            verb=verb,
            domain_id=_domain_of(subject),
            object_type=subject._meta.label_lower,
            object_id=subject.pk if isinstance(subject.pk, int) else None,
            object_name=str(subject)[:320],
            changes={name: _pair(name, old, new) for name, (old, new) in changes.items()},
        )
        for subject, changes in subjects
    ]
    AuditEntry.objects.bulk_create(entries)
    if entries:
        transaction.on_commit(partial(_log, entries), robust=True)


def _log(entries: list[AuditEntry]) -> None:
    for entry in entries:
        domains = _domains(entry)
        origin = f" from {entry.client_address}" if _names_origin(entry, domains) else ""
        changed = f": {', '.join(entry.changes)}" if entry.changes else ""
        kind, number = entry.object_type, entry.object_id
        text = f"{entry} ({kind} {number}){origin}{changed}"
        BOOK.note(LogKind.ADMIN, text, domains=domains)


def _domains(entry: AuditEntry) -> tuple[str, ...]:
    """Whose administrators may read of it: the domain's own, or that of an address."""
    if entry.object_type == "domains.domain":
        return _names(entry.object_name)
    _, at, domain = entry.object_name.rpartition("@")
    return _names(domain) if at else ()


def _names(domain: str) -> tuple[str, ...]:
    """As the logs name domains; none for what only looks like one."""
    try:
        return (parse_domain(domain),)
    except MalformedAddress:
        return ()


def _names_origin(entry: AuditEntry, domains: tuple[str, ...]) -> bool:
    """From where the provider's people work is none of a customer's business: of lines that he
    may read only those of his own people say it; the audit trail has it of all.
    """
    of_actor = _names(entry.actor.rpartition("@")[2]) if "@" in entry.actor else ()
    return bool(entry.client_address) and (not domains or of_actor == domains)


def _domain_of(subject: Model) -> int | None:
    """Whose administrators may see it; None: the system's only."""
    if subject._meta.label_lower == "domains.domain":
        return cast("int | None", subject.pk)
    domain_id = getattr(subject, "domain_id", None)
    return domain_id if isinstance(domain_id, int) else None


def _pair(name: str, old: Any, new: Any) -> list[Any]:
    if name in SECRETS:
        return [MASK if old else "", MASK if new else ""]
    return [plain(old), plain(new)]


def plain(value: Any) -> Any:
    """What JSON can hold; anything else as text, bytes never."""
    if isinstance(value, bytes | memoryview):
        return MASK
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)
