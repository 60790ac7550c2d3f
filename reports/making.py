"""How each report is made of statistics and counters; none reads mail or counts rows of mail."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.db.models import F, QuerySet

from accounts import inactivity
from accounts.models import User
from domains import selectors as domain_selectors
from mailboxes import spacereport
from reports import series
from reports.counting import SERVER, Key
from reports.kinds import TITLES, Wanted, report
from reports.models import Kind
from reports.series import Span
from reports.tables import Cell, Column, Report, Unit

MOST_USERS = 100
MOST_ROWS = 5_000

TIME = Column("time", "Time", Unit.MOMENT)
RECEIVED = Column("received", "Received", colour="green")
RECEIVED_BYTES = Column("received_bytes", "Received, size", Unit.BYTES)
SENT = Column("sent", "Sent", colour="blue")
SENT_BYTES = Column("sent_bytes", "Sent, size", Unit.BYTES)
REFUSED = Column("refused", "Refused")
BOUNCED = Column("bounced", "Bounced", colour="red")
THROTTLED = Column("throttled", "Limits reached")
LOGINS = Column("logins", "Log-ins")
DISK = Column("disk_bytes", "Disk space", Unit.BYTES, colour="blue")

COUNTED = (
    "Received are copies put into mailboxes, sent are messages handed in, and bounced are "
    "recipients of sent mail who could not be reached. Counted every ten minutes."
)


@report(Kind.SYSTEM_VOLUME, "Mail volume")
def system_volume(wanted: Wanted) -> Report:
    columns = (
        RECEIVED, RECEIVED_BYTES, SENT, SENT_BYTES, REFUSED, BOUNCED, LOGINS,
        Column("connections", "Connections"),
    )  # fmt: skip
    return _over_time(Kind.SYSTEM_VOLUME, "", SERVER, wanted, columns, COUNTED)


@report(Kind.SYSTEM_QUEUE, "Queue")
def system_queue(wanted: Wanted) -> Report:
    waiting = Column("waiting", "Most waiting at once", colour="blue")
    columns = (waiting, THROTTLED, _plain(BOUNCED))
    note = "How many messages were in the spool when there were most of them; measured each minute."
    made = _over_time(Kind.SYSTEM_QUEUE, "", SERVER, wanted, columns, note)
    return _without_totals(made)


@report(Kind.SYSTEM_DISK, "Disk space by domain")
def system_disk(wanted: Wanted) -> Report:
    rows: Any = spacereport.domains(domain_selectors.domains())
    rows = rows.order_by("-used_bytes", "name")
    columns = (
        Column("domain", "Domain", Unit.TEXT), Column("used", "Used", Unit.BYTES, "blue"),
        Column("allowed", "Limit (MB)"), Column("messages", "Messages"),
    )  # fmt: skip
    found = rows.values_list("name", "used_bytes", "allowed_mb", "held_messages")
    lines = [(name, used, limit or None, held) for name, used, limit, held in _most(found)]
    return _now(Kind.SYSTEM_DISK, "", wanted, columns, lines)


@report(Kind.SYSTEM_BLOCKS, "Abuse and blocks")
def system_blocks(wanted: Wanted) -> Report:
    columns = (Column("blocks", "Parties blocked", colour="red"), REFUSED,
               Column("connections", "Connections"))  # fmt: skip
    note = "Whoever was blocked, by a rule or by hand, counts once for each time."
    return _over_time(Kind.SYSTEM_BLOCKS, "", SERVER, wanted, columns, note)


@report(Kind.SYSTEM_INACTIVE, "Inactive users")
def system_inactive(wanted: Wanted) -> Report:
    people = User.objects.filter(domain__isnull=False)
    return _inactive(Kind.SYSTEM_INACTIVE, "", people, wanted)


@report(Kind.DOMAIN_TRAFFIC, "Traffic")
def domain_traffic(wanted: Wanted) -> Report:
    domain = wanted.of_domain
    columns = (RECEIVED, RECEIVED_BYTES, SENT, SENT_BYTES, REFUSED, BOUNCED, LOGINS)
    key = (domain.pk, 0)
    return _over_time(Kind.DOMAIN_TRAFFIC, domain.name, key, wanted, columns, COUNTED)


@report(Kind.DOMAIN_USERS, "Busiest users")
def domain_users(wanted: Wanted) -> Report:
    domain = wanted.of_domain
    columns = (RECEIVED, RECEIVED_BYTES, SENT, SENT_BYTES, REFUSED, BOUNCED, LOGINS)
    found = series.top_accounts(domain.pk, wanted.days, most=MOST_USERS)
    names = _names(key for key, _ in found)
    lines: list[tuple[Cell, ...]] = [
        (names.get(key, "a deleted user"), *(numbers[column.key] for column in columns))
        for key, numbers in found
    ]
    return Report(
        Kind.DOMAIN_USERS, TITLES[Kind.DOMAIN_USERS], domain.name, wanted.days,
        (Column("user", "User", Unit.TEXT), *columns), lines,
        note=f"The {MOST_USERS} users with the most mail, sent and received.",
        is_by_time=False, is_cut=len(found) == MOST_USERS,
    )  # fmt: skip


@report(Kind.DOMAIN_DISK, "Disk space over time")
def domain_disk(wanted: Wanted) -> Report:
    domain = wanted.of_domain
    note = "What the mailboxes held, noted every hour."
    key = (domain.pk, 0)
    spans = series.by_day(key, wanted.days, today=wanted.today)
    lines = [_line(span, (DISK, RECEIVED_BYTES)) for span in spans]
    columns = (TIME, DISK, RECEIVED_BYTES)
    title = TITLES[Kind.DOMAIN_DISK]
    return Report(Kind.DOMAIN_DISK, title, domain.name, wanted.days, columns, lines, note,
                  has_totals=False)  # fmt: skip


@report(Kind.DOMAIN_THROTTLING, "Throttling")
def domain_throttling(wanted: Wanted) -> Report:
    domain = wanted.of_domain
    found = series.throttled_accounts(domain.pk, wanted.days)
    names = _names(key for key, _ in found)
    spans = series.by_day((domain.pk, 0), wanted.days, today=wanted.today)
    whole = sum(span["throttled"] for span in spans)
    of_domain = whole - sum(number for _, number in found)
    lines: list[tuple[Cell, ...]] = [
        (names.get(key, "a deleted user"), number) for key, number in found
    ]
    if of_domain > 0:
        lines.insert(0, ("The domain as a whole", of_domain))
    columns = (Column("who", "Whose limit", Unit.TEXT),
               Column("throttled", "Times reached", colour="red"))  # fmt: skip
    note = "How often a limit of the hour was reached; mail over it waits for the next hour."
    title = TITLES[Kind.DOMAIN_THROTTLING]
    return Report(Kind.DOMAIN_THROTTLING, title, domain.name, wanted.days, columns, lines, note,
                  is_by_time=False)  # fmt: skip


@report(Kind.DOMAIN_INACTIVE, "Inactive users")
def domain_inactive(wanted: Wanted) -> Report:
    domain = wanted.of_domain
    people = User.objects.filter(domain=domain)
    return _inactive(Kind.DOMAIN_INACTIVE, domain.name, people, wanted)


@report(Kind.USER_ACTIVITY, "Mail and log-ins")
def user_activity(wanted: Wanted) -> Report:
    account = wanted.of_account
    columns = (RECEIVED, RECEIVED_BYTES, SENT, SENT_BYTES, REFUSED, BOUNCED, LOGINS)
    key = (account.domain_id or 0, account.pk)
    return _over_time(Kind.USER_ACTIVITY, str(account), key, wanted, columns, COUNTED)


@report(Kind.USER_FOLDERS, "Space by folder")
def user_folders(wanted: Wanted) -> Report:
    account = wanted.of_account
    columns = (
        Column("folder", "Folder", Unit.TEXT), Column("bytes", "Space", Unit.BYTES, "blue"),
        Column("messages", "Messages"), Column("unseen", "Unseen"),
    )  # fmt: skip
    found = spacereport.folders(account).values_list("name", "bytes", "messages", "unseen")
    return _now(Kind.USER_FOLDERS, str(account), wanted, columns, _most(found))


def _over_time(
    kind: Kind, about: str, key: Key, wanted: Wanted, columns: tuple[Column, ...], note: str
) -> Report:
    spans = series.by_time(key, wanted.days, today=wanted.today)
    return Report(
        kind, TITLES[kind], about, wanted.days, (TIME, *columns),
        [_line(span, columns) for span in spans], note,
        is_by_hour=series.is_by_hour(wanted.days, key, today=wanted.today),
    )  # fmt: skip


def _now(
    kind: Kind, about: str, wanted: Wanted, columns: tuple[Column, ...], lines: list[Any]
) -> Report:
    """What stands now, the largest first."""
    return Report(
        kind, TITLES[kind], about, wanted.days, columns, lines[:MOST_ROWS],
        has_days=False, is_by_time=False, is_cut=len(lines) > MOST_ROWS,
    )  # fmt: skip


def _inactive(kind: Kind, about: str, people: QuerySet[User], wanted: Wanted) -> Report:
    """Longest away first (M-030)."""
    rows: Any = inactivity.inactive(people, wanted.inactive, now=wanted.now)
    rows = rows.select_related("domain").annotate(disk_used=F("usage__bytes"))
    rows = rows.order_by("last_active_at", "pk")
    lines: list[tuple[Cell, ...]] = [
        (str(user), user.last_active_at, user.last_service or "never logged in",
         user.disk_used or 0, user.get_status_display())
        for user in _most(rows)
    ]  # fmt: skip
    columns = (
        Column("user", "User", Unit.TEXT), Column("last_active_at", "Last activity", Unit.MOMENT),
        Column("service", "By", Unit.TEXT), Column("bytes", "Mailbox", Unit.BYTES),
        Column("status", "Status", Unit.TEXT),
    )  # fmt: skip
    note = f"Nobody has logged in for {_PERIODS[wanted.inactive]}; mail that came does not count."
    return Report(
        kind, TITLES[kind], about, wanted.days, columns, lines[:MOST_ROWS], note,
        has_days=False, is_by_time=False, has_totals=False, is_cut=len(lines) > MOST_ROWS,
    )  # fmt: skip


_PERIODS = {
    inactivity.Period.DAYS_30: "30 days",
    inactivity.Period.DAYS_90: "90 days",
    inactivity.Period.MONTHS_6: "6 months",
    inactivity.Period.MONTHS_12: "12 months",
}


def _line(span: Span, columns: Iterable[Column]) -> tuple[Cell, ...]:
    return (span.starts_at, *(_number(span, column.key) for column in columns))


def _number(span: Span, name: str) -> int | None:
    if name == "disk_bytes":
        return span.disk_bytes
    return span.waiting if name == "waiting" else span[name]


def _most(rows: Any) -> list[Any]:
    """One more than is shown, so that it can be said that there are more."""
    return list(islice(rows[: MOST_ROWS + 1], MOST_ROWS + 1))


def _names(keys: Iterable[int]) -> dict[int, str]:
    people = User.objects.filter(pk__in=list(keys)).select_related("domain")
    return {user.pk: str(user) for user in people}


def _plain(column: Column) -> Column:
    return Column(column.key, column.label, column.unit)


def _without_totals(made: Report) -> Report:
    return Report(
        made.kind, made.title, made.about, made.days, made.columns, made.rows, made.note,
        is_by_hour=made.is_by_hour, has_totals=False,
    )  # fmt: skip
