"""Sliding windows of events: in one process's memory, and summed over all processes in rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from accounts.models import User
from blobs.committer import Job
from clock.moments import from_micros
from events import audit
from operations.models import Action, Kind
from operations.rules import SECOND, Rule
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

LOGIN_PREFIX = "login:"  # before a login that is counted: no address begins so

# Subjects remembered at most; whoever needs more addresses than that is not stopped by counting.
MOST_SUBJECTS = 200_000

_COUNT = (
    "INSERT INTO operations_abusecount (rule_id, subject, slice, events) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (rule_id, subject, slice) DO UPDATE"
    " SET events = operations_abusecount.events + EXCLUDED.events"
)
_SUM = (
    "SELECT COALESCE(SUM(events), 0) FROM operations_abusecount"
    " WHERE rule_id = %s AND subject = %s AND slice >= %s"
)
_KNOWN = "SELECT id FROM operations_abuserule WHERE id IN ({marks})"
_COLUMNS = (
    "INSERT INTO operations_block (network, account_id, service, rule_id, kind, is_notice, note,"
    " since, until, hits) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0)"
)
# A block that stands is left as it is; one whose time is over begins anew.
_RENEW = (
    " DO UPDATE SET service = EXCLUDED.service, rule_id = EXCLUDED.rule_id, kind = EXCLUDED.kind,"
    " is_notice = EXCLUDED.is_notice, note = EXCLUDED.note, since = EXCLUDED.since,"
    " until = EXCLUDED.until, hits = 0, told_at = NULL"
    " WHERE operations_block.until <= EXCLUDED.since RETURNING id"
)
_BLOCK_ADDRESS = f"{_COLUMNS} ON CONFLICT (network, service) WHERE account_id IS NULL{_RENEW}"
_BLOCK_USER = f"{_COLUMNS} ON CONFLICT (account_id) WHERE account_id IS NOT NULL{_RENEW}"


class Event(NamedTuple):
    """So many events of a subject in one slice."""

    rule: Rule
    subject: str
    slice: int
    events: int


class Tally:
    """What one process has seen of one subject by one rule."""

    __slots__ = ("seen", "unsent")

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.unsent: dict[int, int] = {}

    def add(self, slice_: int, events: int) -> None:
        self.seen[slice_] = self.seen.get(slice_, 0) + events
        self.unsent[slice_] = self.unsent.get(slice_, 0) + events

    def total(self, first_slice: int) -> int:
        """Also forgets what counts no longer."""
        for slice_ in [one for one in self.seen if one < first_slice]:
            del self.seen[slice_]
            self.unsent.pop(slice_, None)
        return sum(self.seen.values())


class Windows:
    """The counters of one process. Of one thread."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[Rule, str], Tally] = {}

    def __len__(self) -> int:
        return len(self._tallies)

    def add(self, rule: Rule, subject: str, *, now: int, events: int = 1) -> int:
        """Count; the total of this process in the window that ends now."""
        tally = self._tallies.get((rule, subject))
        if tally is None:
            if len(self._tallies) >= MOST_SUBJECTS:
                del self._tallies[next(iter(self._tallies))]
            tally = self._tallies[rule, subject] = Tally()
        tally.add(rule.slice_of(now), events)
        return tally.total(rule.first_slice(now))

    def take_unsent(self, now: int) -> list[Event]:
        """What the other processes are to know; subjects without recent events are forgotten.

        Nobody is told of a subject with `rule.unshared` events or fewer: nearly everybody who
        connects is one of those. So with N processes an action may come up to
        (N - 1) * unshared events late, never too early.
        """
        events = []
        for key, tally in list(self._tallies.items()):
            rule, subject = key
            total = tally.total(rule.first_slice(now))
            if not total:
                del self._tallies[key]
            elif total > rule.unshared and tally.unsent:
                events += [Event(rule, subject, *one) for one in tally.unsent.items()]
                tally.unsent = {}
        return events

    def forget(self, subject: str) -> None:
        """Begin from zero (M-056)."""
        for key in [key for key in self._tallies if key[1] == subject]:
            del self._tallies[key]

    def clear(self) -> None:
        self._tallies.clear()


@dataclass(slots=True, kw_only=True, eq=False)
class RecordEvents(Job):
    """Add to the sums of all processes, and act where one has passed its threshold."""

    waits_for_disk = False

    now: int
    events: Sequence[Event] = field(default_factory=list)

    @staticmethod
    def write_rows(jobs: Sequence[RecordEvents], cursor: Any) -> None:
        for job in jobs:
            job._write(cursor)

    def _write(self, cursor: Any) -> None:
        events = list(_of_living_rules(cursor, self.events))
        # One order for all processes, so that none waits for another that waits for it.
        rows = sorted((one.rule.rule_id, one.subject, one.slice, one.events) for one in events)
        if rows:
            cursor.executemany(_COUNT, rows)
        for rule, subject in dict.fromkeys((one.rule, one.subject) for one in events):
            seen = _sum(cursor, rule, subject, self.now)
            if seen >= rule.threshold and is_actionable(rule, subject):
                act(cursor, rule, subject, total=seen, now=self.now)


def total(rule: Rule, subject: str, now: int) -> int:
    """What all processes have counted of a subject in the rule's window before `now`."""
    with connection.cursor() as cursor:
        return _sum(cursor, rule, subject, now)


def _sum(cursor: Any, rule: Rule, subject: str, now: int) -> int:
    cursor.execute(_SUM, (rule.rule_id, subject, rule.first_slice(now)))
    return int(cursor.fetchone()[0])


def _of_living_rules(cursor: Any, events: Sequence[Event]) -> Iterator[Event]:
    """One that was deleted a moment ago must not fail the others."""
    ids = sorted({one.rule.rule_id for one in events})
    if not ids:
        return
    cursor.execute(_KNOWN.format(marks=", ".join(["%s"] * len(ids))), ids)
    living = {row[0] for row in cursor.fetchall()}
    yield from (one for one in events if one.rule.rule_id in living)


def is_actionable(rule: Rule, subject: str) -> bool:
    """Failed logins of an account only slow it down: nobody can lock somebody else out (M-064)."""
    return rule.kind != Kind.GUESSING or not subject.startswith(LOGIN_PREFIX)


def act(cursor: Any, rule: Rule, subject: str, *, total: int, now: int) -> None:
    """Block, or what else the rule says; nothing where that stands already."""
    note = f"{total} in {rule.window_seconds} s; {rule.threshold} are let pass"
    if rule.kind == Kind.SPAMMING:
        _act_on_user(cursor, rule, int(subject), note, now)
        return
    until = now + rule.block_seconds * SECOND
    cursor.execute(
        _BLOCK_ADDRESS,
        (subject, None, rule.service, rule.rule_id, rule.kind, False, note, now, until),
    )
    if cursor.fetchone() is not None:
        publish_on_commit(Topic.BLOCKS, 0, subject.encode(), durable=True)


def _act_on_user(cursor: Any, rule: Rule, account_id: int, note: str, now: int) -> None:
    user = User.objects.select_related("domain").filter(pk=account_id).first()
    if user is None:
        return
    is_notice = rule.action == Action.NOTIFY
    seconds = rule.window_seconds if is_notice else rule.block_seconds
    until = None if rule.action == Action.DISABLE else now + seconds * SECOND
    cursor.execute(
        _BLOCK_USER,
        ("", account_id, "smtp", rule.rule_id, rule.kind, is_notice, note, now, until),
    )
    if cursor.fetchone() is None:
        return
    verb = "noticed many messages of" if is_notice else "stopped sending by"
    until_words = from_micros(until).isoformat(timespec="seconds") if until else "it is lifted"
    audit.record(None, verb, user, {"recipients": (None, note), "until": (None, until_words)})
    publish_on_commit(Topic.BLOCKS, account_id, b"", durable=True)


def forget_before(cursor: Any, rules: Iterable[Rule], now: int) -> None:
    """Delete slices that count in no window any more."""
    oldest = min((rule.first_slice(now) for rule in rules), default=now)
    cursor.execute("DELETE FROM operations_abusecount WHERE slice < %s", (oldest,))
