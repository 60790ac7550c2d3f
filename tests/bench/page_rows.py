"""The rows of a hosting provider at the size that pages must bear, written straight to the tables:
`fill(Size)`. Nothing of it could be delivered; only lists, counts and searches are true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, islice
from typing import Any

from django.db import connection, models, transaction

from accounts.models import (
    AliasTarget,
    DomainOwnership,
    LastActivity,
    LocalPart,
    Plan,
    ResellerPlan,
    Role,
    User,
    UserAlias,
)
from accounts.passwords import derive
from blobs.ids import new_id
from blobs.models import Area
from clock.moments import to_micros, utc_now
from domains.models import TABS, Domain, DomainAlias, HostedName
from events.models import AuditEntry
from mailboxes.models import AccountUsage, DomainUsage
from operations.models import BlacklistEntry, Block, Connection, Process
from spool import statistics, summaries
from spool.models import (
    DeliveryAttempt,
    LedgerHour,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)

BATCH = 10_000
RESELLERS = 100
DESTINATIONS = 1_000
PASSWORD = "a long enough password"  # noqa: S105 - of nobody
LARGEST = "d00000.example"  # the domain that has a hundredth of all users
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    domains: int = 10_000
    users: int = 1_000_000
    messages: int = 100_000

    @property
    def others(self) -> int:
        """Of what is told of changes, refusals and attempts."""
        return self.users // 10


def fill(size: Size) -> None:
    """Into empty tables, in one process; a million users take minutes."""
    people = _add_people()
    domains = _add_domains(size.domains, people[1:])
    users = _add_users(size, domains)
    _add_aliases(size, domains, users)
    _add_mail(size, domains, users)
    _add_history(size, domains)
    _add_operations(size, users)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def insert(model: type[models.Model], rows: Iterable[Row]) -> None:
    """Values as the database takes them; columns that a row does not name have their default."""
    first = model()
    fields = [
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key and isinstance(field, models.AutoField))
    ]
    standard = {
        f.attname: f.get_db_prep_save(getattr(first, f.attname), connection)
        for f in fields
        if f.db_default is models.NOT_PROVIDED or f.has_default()
    }
    standard |= {f.attname: _db_default(f) for f in fields if f.attname not in standard}
    iterator = iter(rows)
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    sql = (
        f"INSERT INTO {quote(model._meta.db_table)} ({columns})"  # noqa: S608 - our own names
        f" VALUES ({', '.join(['%s'] * len(fields))})"
    )
    names = [field.attname for field in fields]
    while chunk := list(islice(iterator, BATCH)):
        values = [[{**standard, **row}[name] for name in names] for row in chunk]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, values)


def _db_default(field: Any) -> Any:
    value = field.db_default
    return getattr(value, "value", value)


def _now() -> int:
    return to_micros(utc_now())


def _add_people() -> list[int]:
    """The keys of the system administrator, and of the resellers after him."""
    password = derive(PASSWORD).password
    people = [("root", Role.SYSTEM_ADMINISTRATOR)]
    people += [(f"reseller{number:03}", Role.RESELLER) for number in range(RESELLERS)]
    insert(User, (
        {"local_part": name, "role": role.value, "password": password, "created_at": _now()}
        for name, role in people
    ))  # fmt: skip
    keys = list(User.objects.filter(domain=None).order_by("pk").values_list("pk", flat=True))
    plan = Plan.objects.create(name="large")
    insert(ResellerPlan, ({"reseller_id": key, "plan_id": plan.pk} for key in keys[1:]))
    return keys


def _add_domains(number: int, resellers: list[int]) -> list[int]:
    names = [f"d{one:05}.example" for one in range(number)]
    areas = [new_id() for _ in names]
    insert(Area, (
        {"id": area, "name": f"domains/{name}", "path": f"domains/{name}", "kind": "domain"}
        for area, name in zip(areas, names, strict=True)
    ))  # fmt: skip
    now = _now()
    insert(Domain, (
        {"name": name, "unicode_name": name, "area_id": area, "created_at": now - one * 1_000_000,
         "is_disabled": one % 50 == 49}
        for one, (name, area) in enumerate(zip(names, areas, strict=True))
    ))  # fmt: skip
    keys = list(Domain.objects.order_by("name").values_list("pk", flat=True))
    insert(HostedName, (
        {"name": name, "domain_id": key} for name, key in zip(names, keys, strict=True)
    ))  # fmt: skip
    aliases = [(f"www-{name}", key) for name, key in zip(names[::10], keys[::10], strict=True)]
    insert(HostedName, ({"name": n, "domain_id": key, "is_alias": True} for n, key in aliases))
    insert(DomainAlias, (
        {"name": n, "unicode_name": n, "domain_id": key, "created_at": now} for n, key in aliases
    ))  # fmt: skip
    for tab in TABS.values():
        insert(tab, ({"domain_id": key} for key in keys))
    insert(DomainUsage, (
        {"domain_id": key, "bytes": one % 700 << 20, "messages": one}
        for one, key in enumerate(keys)
    ))  # fmt: skip
    insert(DomainOwnership, (
        {"domain_id": key, "reseller_id": resellers[one % len(resellers)]}
        for one, key in enumerate(keys)
    ))  # fmt: skip
    return keys


def _domain_of(number: int, domains: list[int]) -> int:
    """A hundredth is the largest domain's; the others share alike."""
    return domains[0 if number % 100 == 0 else 1 + number % (len(domains) - 1)]


def _add_users(size: Size, domains: list[int]) -> range:
    password, now = derive(PASSWORD).password, _now()
    start = 1 + User.objects.order_by("-pk").values_list("pk", flat=True)[0]
    users = range(start, start + size.users)
    has_administrator: set[int] = set()

    def rows() -> Iterator[Row]:
        for number in range(size.users):
            domain = _domain_of(number, domains)
            is_first = domain not in has_administrator
            has_administrator.add(domain)
            yield {
                "domain_id": domain,
                "local_part": f"user{number:07}",
                "role": (Role.DOMAIN_ADMINISTRATOR if is_first else Role.USER).value,
                "is_primary_administrator": is_first,
                "status": "disabled" if number % 100 == 99 else "enabled",
                "full_name": f"Person {number % 5_000} of House {number % 977}",
                "password": password,
                "created_at": now - number,
            }

    insert(User, rows())
    insert(LocalPart, (
        {"domain_id": _domain_of(number, domains), "local_part": f"user{number:07}",
         "kind": "user", "object_id": key}
        for number, key in enumerate(users)
    ))  # fmt: skip
    insert(AccountUsage, (
        {"account_id": key, "bytes": key % 300 << 20, "messages": key % 5_000} for key in users
    ))  # fmt: skip
    insert(LastActivity, (
        {"user_id": key, "at": now - (key % 400) * 86_400_000_000 - key, "service": "imap",
         "client_address": "192.0.2.1"}
        for key in users if key % 10
    ))  # fmt: skip
    return users


def _add_aliases(size: Size, domains: list[int], users: range) -> None:
    number = size.users // 20
    now = _now()
    insert(UserAlias, (
        {"domain_id": _domain_of(one, domains), "local_part": f"alias{one:06}", "created_at": now}
        for one in range(number)
    ))  # fmt: skip
    keys = list(UserAlias.objects.order_by("pk").values_list("pk", flat=True))
    insert(LocalPart, (
        {"domain_id": _domain_of(one, domains), "local_part": f"alias{one:06}", "kind": "alias",
         "object_id": key}
        for one, key in enumerate(keys)
    ))  # fmt: skip
    insert(AliasTarget, (
        {"alias_id": key, "account_id": users[one]} for one, key in enumerate(keys)
    ))  # fmt: skip


def _add_mail(size: Size, domains: list[int], users: range) -> None:
    """All of it waits: for other servers, one recipient a message, at all stages."""
    now = _now()
    messages = [new_id() for _ in range(size.messages)]
    recipients = [new_id() for _ in range(size.messages)]
    day = 86_400 * 1_000_000
    insert(SpooledMessage, (
        {"id": key, "sender": f"user{one:07}@d{one % len(domains):05}.example",
         "sender_account_id": users[one % len(users)], "domain_id": domains[one % len(domains)],
         "origin": "submission", "message_id": f"{key}@mail.example",
         "size_bytes": 1_000 + one % 90_000, "accepted_at": now - one * 1_000, "decisions": "[]",
         "expires_at": now + 5 * day, "recipients_total": 1}
        for one, key in enumerate(messages)
    ))  # fmt: skip

    def waiting() -> Iterator[Row]:
        states = (State.QUEUED, State.RETRYING, State.RETRYING, State.HELD, State.THROTTLED)
        for one, (key, message) in enumerate(zip(recipients, messages, strict=True)):
            state, domain = states[one % 5], f"d{one % DESTINATIONS}.test"
            is_held = state is State.HELD
            yield {
                "id": key, "message_id": message, "address": f"r{one}@{domain}",
                "original_address": f"r{one}@{domain}", "route": "remote", "destination": domain,
                "ledger_domain_id": domains[one % len(domains)], "priority": 1 + one % 10,
                "state": state.value, "attempts": one % 4 if state is State.RETRYING else 0,
                "due_at": None if is_held else now + (one % 3_600) * 1_000_000,
                "hold_reason": "to be looked at" if is_held else "",
                "reply": "451 4.7.1 Greylisted: try again later" if one % 3 else "",
            }  # fmt: skip

    insert(SpooledRecipient, waiting())
    insert(TraceEntry, (
        {"id": new_id(), "message_id": message, "at": now, "actor": "manager",
         "decision": "deferred", "detail": "{}"}
        for message in messages
    ))  # fmt: skip
    insert(DeliveryAttempt, (
        {"id": new_id(), "recipient_id": key, "number": 1, "started_at": now - day,
         "finished_at": now, "outcome": "deferred", "host": "mx.test", "reply": "451 later"}
        for key in recipients
    ))  # fmt: skip
    summaries.list_all(now=utc_now() + timedelta(minutes=30))
    statistics.measure(now=utc_now())


def _add_history(size: Size, domains: list[int]) -> None:
    now = _now()
    hour = now // 3_600_000_000
    insert(LedgerHour, (
        {"domain_id": domain, "hour": hour - back, "accepted": 40, "delivered": 30, "relayed": 10}
        for back in range(24) for domain in domains[:: 1 + back % 3]
    ))  # fmt: skip
    insert(AuditEntry, (
        {"at": now - (size.others - one) * 1_000_000, "actor": "root", "verb": "changed user",
         "object_type": "accounts.user", "object_id": one, "changes": '{"status": ["a", "b"]}',
         "object_name": f"user{one:07}@example", "domain_id": domains[one % len(domains)],
         "operation": f"{one:032x}"}
        for one in range(size.others)
    ))  # fmt: skip
    insert(RefusedMail, (
        {"id": new_id(), "at": now, "client_address": "198.51.100.7", "reply": "550 5.1.1 unknown",
         "sender": f"s{one}@spam.test", "recipient": f"x{one}@{LARGEST}"}
        for one in range(size.others)
    ))  # fmt: skip


def _add_operations(size: Size, users: range) -> None:
    now = _now()
    process = new_id()
    insert(Process, [{"id": process, "node": 1, "pid": 1, "started_at": now, "seen_at": now}])
    services = ("imap", "imap", "imap", "pop", "smtp")
    insert(Connection, (
        {"id": new_id(), "process_id": process, "service": services[one % 5],
         "client_address": f"198.18.{one // 250 % 250}.{one % 250}", "client_port": 40_000,
         "local_address": "192.0.2.1", "local_port": 143, "is_encrypted": True,
         "account_id": users[one % len(users)], "domain_id": None, "started_at": now,
         "logged_in_at": now}
        for one in range(size.others // 20)
    ))  # fmt: skip
    networks = (f"10.{one >> 16}.{one >> 8 & 255}.{one & 255}" for one in count(1))
    insert(Block, (
        {"network": network, "kind": "guessing", "since": now, "until": now + 3_600_000_000}
        for network in islice(networks, size.others // 20)
    ))  # fmt: skip
    insert(BlacklistEntry, (
        {"network": network, "services": "[]", "created_at": now}
        for network in islice(networks, size.others // 2)
    ))  # fmt: skip
