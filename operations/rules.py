"""The detection rules: kept as rows, read as values, set as a whole by presets (M-060)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts import permissions
from accounts.models import User
from accounts.permissions import Verb
from blobs.contention import tried_again
from domains.errors import Problem, ValuesRefused
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from operations.models import AbuseRule, Action, Kind
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# Each window is counted in so many slices: an event counts for its window and up to a tenth more.
SLICES = 10
SECOND = 1_000_000
SERVICES = ("smtp", "pop", "imap", "ldap")
NOTE = b"rules"
FIELDS = settable_fields(AbuseRule)
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Rule:
    """One enabled rule, as the counting needs it."""

    rule_id: int
    kind: str
    service: str
    window_seconds: int
    threshold: int
    block_seconds: int
    action: str

    @property
    def slice_micros(self) -> int:
        return max(1, self.window_seconds * SECOND // SLICES)

    def slice_of(self, now: int) -> int:
        """Which slice a moment in microseconds belongs to, named by its first microsecond."""
        return now - now % self.slice_micros

    def first_slice(self, now: int) -> int:
        """The oldest slice that still counts."""
        return self.slice_of(now - self.window_seconds * SECOND)

    @property
    def unshared(self) -> int:
        """Up to so many events of a subject a process keeps to itself."""
        return self.threshold // 10


def _values(
    kind: str, service: str, window: int, threshold: int, block: int, action: str = Action.BLOCK
) -> dict[str, Any]:
    """Times in minutes."""
    return {
        "kind": str(kind), "service": service, "window_seconds": window * MINUTE,
        "threshold": threshold, "block_seconds": block * MINUTE, "action": str(action),
        "is_enabled": True,
    }  # fmt: skip


def _preset(
    connections: tuple[int, int, int],
    harvesting: tuple[int, int, int],
    guessing: tuple[int, int, int],
    spamming: tuple[int, int, int, str],
) -> tuple[dict[str, Any], ...]:
    """Each as (minutes of the window, events, minutes of the block)."""
    return (
        *(_values(Kind.CONNECTIONS, service, *connections) for service in SERVICES),
        _values(Kind.HARVESTING, "smtp", *harvesting),
        _values(Kind.GUESSING, "", *guessing),
        _values(Kind.SPAMMING, "", *spamming),
    )


PRESETS = {
    "factory": _preset((5, 50, 5), (5, 20, 60), (10, 10, 30), (15, 200, 60, Action.NOTIFY)),
    "relaxed": _preset((5, 200, 5), (5, 60, 15), (10, 30, 10), (15, 1000, 60, Action.NOTIFY)),
    "strict": _preset((5, 25, 15), (10, 10, 240), (30, 5, 120), (15, 100, 60, Action.THROTTLE)),
}


def rules_for(actor: User) -> QuerySet[AbuseRule]:
    """All of them, for whoever manages the server. Raises NotPermitted."""
    permissions.require(actor, Verb.MANAGE_SERVER)
    return AbuseRule.objects.all()


def enabled() -> tuple[Rule, ...]:
    rows = AbuseRule.objects.filter(is_enabled=True)
    return tuple(
        Rule(
            row.pk, row.kind, row.service, row.window_seconds, row.threshold,
            row.block_seconds, row.action,
        )
        for row in rows
    )  # fmt: skip


def matching(rules: Iterable[Rule], kind: str, service: str) -> tuple[Rule, ...]:
    """Those that count an event of this kind by this service."""
    return tuple(rule for rule in rules if rule.kind == kind and rule.service in ("", service))


@tried_again
@transaction.atomic
def add(*, values: Mapping[str, Any], by: Actor | None) -> AbuseRule:
    """Raises ValuesRefused."""
    row = AbuseRule()
    replace(row, values, fields=FIELDS)
    _check(row)
    row.save()
    _finish(row, "added abuse rule", {}, by)
    return row


@tried_again
@transaction.atomic
def change(*, rule: AbuseRule, values: Mapping[str, Any], by: Actor | None) -> AbuseRule:
    """Set the given values; what was counted so far is forgotten. Raises ValuesRefused."""
    row = AbuseRule.objects.select_for_update().get(pk=rule.pk)
    changes = replace(row, values, fields=FIELDS)
    if changes:
        _check(row)
        row.save(update_fields=list(changes))
        row.counts.all().delete()
        _finish(row, "changed abuse rule", changes, by)
    return row


@transaction.atomic
def delete(*, rule: AbuseRule, by: Actor | None) -> None:
    """Blocks that it made stay until their time is over."""
    kept = {name: (getattr(rule, name), None) for name in FIELDS}
    _finish(rule, "deleted abuse rule", kept, by)
    rule.delete()


@tried_again
@transaction.atomic
def apply_preset(name: str, *, by: Actor | None) -> None:
    """Set the rules of a preset; other rules stay. Raises ValuesRefused for an unknown name."""
    if name not in PRESETS:
        raise ValuesRefused((Problem("preset", f"must be one of {', '.join(PRESETS)}"),))
    for values in PRESETS[name]:
        row = AbuseRule.objects.filter(kind=values["kind"], service=values["service"]).first()
        if row is None:
            add(values=values, by=by)
        else:
            change(rule=row, values=values, by=by)


def _check(row: AbuseRule) -> None:
    problems = [
        Problem(name, "must be at least 1")
        for name in ("window_seconds", "threshold", "block_seconds")
        if not getattr(row, name)
    ]
    if row.service and row.service not in SERVICES:
        problems.append(Problem("service", f"must be one of {', '.join(SERVICES)}, or empty"))
    if (row.kind == Kind.SPAMMING) == (row.action == Action.BLOCK):
        problems.append(Problem("action", "does not fit the kind"))
    same = AbuseRule.objects.filter(kind=row.kind, service=row.service).exclude(pk=row.pk)
    if same.exists():
        problems.append(Problem("kind", "has a rule for this service already"))
    if problems:
        raise ValuesRefused(tuple(problems))


def _finish(row: AbuseRule, verb: str, changes: audit.Changes, by: Actor | None) -> None:
    audit.record(by, verb, row, changes)
    publish_on_commit(Topic.BLOCKS, 0, NOTE, durable=True)
