"""The audit trail and the jobs as an actor may see them (X-005, X-007)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts import selectors
from accounts.models import Role, User
from administration.errors import EntryUnknown
from events.models import AuditEntry
from jobs import selectors as job_selectors
from jobs.errors import JobUnknown
from jobs.models import Job

MOST_TERMS = 12
FIELDS = {
    "actor": "actor__icontains",
    "object": "object_name__icontains",
    "verb": "verb__icontains",
    "reason": "reason__icontains",
    "operation": "operation",
}
_TERM = re.compile(r'(?:(\w+):)?(?:"([^"]*)"|(\S+))')


def audit_for(actor: User | None) -> QuerySet[AuditEntry]:
    """None and system administrators: all; others: what is about their domains, or their own."""
    rows = AuditEntry.objects.alias(changes_text=Cast("changes", TextField()))
    if actor is None or actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    own = Q(actor_id=actor.pk)
    if actor.role == Role.USER:
        return rows.filter(own)
    return rows.filter(own | Q(domain_id__in=selectors.domains_for(actor).values("pk")))


def may_know_origin(actor: User | None, entry: AuditEntry) -> bool:
    """From where the provider's people work is none of a customer's business."""
    if actor is None or actor.role == Role.SYSTEM_ADMINISTRATOR:
        return True
    return entry.actor_id == actor.pk


def jobs_for(actor: User) -> QuerySet[Job]:
    """A system administrator's: all; else one's own, and those about domains in sight."""
    rows = job_selectors.jobs()
    if not actor.is_active:
        return rows.none()
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    seen = selectors.domains_for(actor).values("pk")
    return rows.filter(Q(actor_id=actor.pk) | Q(domain_id__in=seen))


def job_for(actor: User, job_id: int) -> Job:
    """Raises JobUnknown."""
    row = jobs_for(actor).filter(pk=job_id).first() if job_id < 2**63 else None
    if row is None:
        raise JobUnknown(job_id)
    return row


def operation_for(actor: User | None, *, entry: int = 0, operation: str = "") -> list[AuditEntry]:
    """All entries of one operation, by its name or by one of them. Raises EntryUnknown.

    An operation that reaches beyond what the actor sees is cut to what he does.
    """
    rows = audit_for(actor)
    if not operation:
        found = rows.filter(pk=entry).first()
        if found is None:
            raise EntryUnknown(str(entry))
        if not found.operation:
            return [found]
        operation = found.operation
    entries = list(rows.filter(operation=operation).order_by("pk"))
    if not entries:
        raise EntryUnknown(operation)
    return entries


def undone_among(entries: Iterable[AuditEntry]) -> set[int]:
    """The keys of those that another entry has taken back."""
    keys = [entry.pk for entry in entries]
    rows = AuditEntry.objects.filter(undoes__in=keys)
    return {key for key in rows.values_list("undoes", flat=True) if key is not None}


def matching(query: str, *, of: User | None) -> Q:
    """Words, each somewhere in the entry; `actor:`, `object:`, `verb:`, `reason:`, `from:` and
    `operation:` look at one place, `since:` and `until:` take a day; quotes keep words together.

    `of` asks; `from:` finds what he may know the origin of.
    """
    found = Q()
    for name, quoted, bare in _TERM.findall(query)[:MOST_TERMS]:
        found &= _term(name.lower(), quoted or bare, of)
    return found


def _term(name: str, text: str, of: User | None) -> Q:
    if name == "from":
        found = Q(client_address__startswith=text)
        if of is None or of.role == Role.SYSTEM_ADMINISTRATOR:
            return found
        return found & Q(actor_id=of.pk)
    if name in FIELDS:
        return Q(**{FIELDS[name]: text})
    if name in ("since", "until") and (day := _day(text)) is not None:
        return Q(at__gte=day) if name == "since" else Q(at__lt=day + timedelta(days=1))
    text = f"{name}:{text}" if name else text
    places = ("actor", "verb", "object_name", "reason", "changes_text")
    anywhere = Q()
    for place in places:
        anywhere |= Q(**{f"{place}__icontains": text})
    return anywhere


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
