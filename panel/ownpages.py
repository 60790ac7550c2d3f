"""The first pages of a domain's administrator and of a user: own figures, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse

from accounts import secondfactor
from accounts.models import LastActivity, User
from accounts.selectors import InUse
from clock.moments import utc_now
from domains.models import Domain
from mailboxes.models import AccountUsage, DomainUsage, Folder
from mailinglists import room as lists_room
from operations.models import Connection
from panel import dashboard
from panel.checklist import Task
from panel.dashboard import Chart
from panel.figures import Figure
from units import sizes
from zones import selectors as zone_selectors
from zones.findings import Level


@dataclass(frozen=True, slots=True)
class DomainPage:
    figures: list[Figure]
    charts: list[Chart]
    in_use: list[InUse]
    tasks: list[Task]


@dataclass(frozen=True, slots=True)
class UserPage:
    usage: AccountUsage
    unseen: int
    last: LastActivity | None
    servers: list[tuple[str, str, int]]  # what for, host, port
    tasks: list[Task]


def of_domain(actor: User, domain: Domain, *, is_in_person: bool) -> DomainPage:
    """`is_in_person`: pages that only the owner of the account opens are linked as well."""
    in_use = list(lists_room.all_in_use(domain))
    chart = dashboard.mail_chart(actor, utc_now())
    return DomainPage(
        figures=list(_figures(domain, in_use, chart)),
        charts=[chart],
        in_use=in_use,
        tasks=_unfinished(_tasks_of_domain(actor, domain, in_use, is_in_person)),
    )


def of_user(actor: User, *, is_in_person: bool) -> UserPage:
    found = Folder.objects.filter(account=actor).aggregate(unseen=Sum("unseen"))
    last = LastActivity.objects.filter(user=actor).first()
    return UserPage(
        usage=AccountUsage.objects.filter(account=actor).first() or AccountUsage(account=actor),
        unseen=found["unseen"] or 0,
        last=last,
        servers=list(_servers()),
        tasks=_unfinished(_tasks_of_user(actor, last, is_in_person)),
    )


def _figures(domain: Domain, in_use: list[InUse], chart: Chart) -> Iterator[Figure]:
    used: dict[str, Any] = {one.limit: one for one in in_use}
    online = Connection.objects.filter(domain_id=domain.pk).exclude(account_id=None)
    people = online.values("account_id").distinct().count()
    yield Figure("users", "green", _of(used.get("users"), "users"), f"{people:,} online")
    sums = {one["label"]: sum(one["values"]) for one in chart.data["sets"]}
    bounced = f"{sums['Bounced']:,} bounced"
    yield Figure("mail", "blue", f"{sums['Accepted']:,} messages", f"last 24 hours, {bounced}")
    yield Figure("at-sign", "yellow", _of(used.get("user_aliases"), "aliases"), "of users")
    held = DomainUsage.objects.filter(domain=domain).first()
    space = sizes.in_words(held.bytes if held is not None else 0)
    yield Figure("hard-drive", "azure", f"{space} used", _room(domain.domainlimits.disk_space_mb))


def _of(one: InUse | None, what: str) -> str:
    if one is None:
        return what
    allowed = "" if one.allowed is None else f" of {one.allowed:,}"
    return f"{one.used:,}{allowed} {what}"


def _room(allowed_mb: int) -> str:
    return f"of {sizes.limit_in_words(allowed_mb * sizes.MEGABYTE)}" if allowed_mb else "no limit"


def _tasks_of_domain(
    actor: User, domain: Domain, in_use: list[InUse], is_in_person: bool
) -> Iterator[Task]:
    level = zone_selectors.levels([domain.pk]).get(domain.pk)
    yield Task(
        "Publish the DNS records",
        "They lead mail for the domain here, and show others that mail from it is genuine.",
        level in (Level.OK, Level.WARNING),
        reverse("panel:dns", args=(domain.name,)),
    )
    users = next((one.used for one in in_use if one.limit == "users"), 0)
    yield Task(
        "Add the mailboxes",
        "One by one, or all at once from a CSV file.",
        users > 1,
        reverse("panel:users-new", args=(domain.name,)),
    )
    yield _protect(actor, is_in_person)


def _tasks_of_user(actor: User, last: LastActivity | None, is_in_person: bool) -> Iterator[Task]:
    yield Task(
        "Set up your mail program",
        "With the servers on this page, your address and your password.",
        last is not None and last.service in ("imap", "pop", "smtp"),
        reverse("panel:help", args=("mail-programs",)),
    )
    yield Task(
        "Say who you are",
        "Your name, as others see it in the mail that you write.",
        bool(actor.full_name),
        reverse("panel:account"),
    )
    yield _protect(actor, is_in_person)


def _protect(actor: User, is_in_person: bool) -> Task:
    return Task(
        "Protect your account",
        "With a second factor a stolen password alone opens nothing here.",
        secondfactor.has_one(actor),
        reverse("panel:account-second-factor") if is_in_person else "",
    )


def _unfinished(tasks: Iterator[Task]) -> list[Task]:
    """All as long as one is left, none after that."""
    found = list(tasks)
    return found if any(not task.is_done for task in found) else []


def _servers() -> Iterator[tuple[str, str, int]]:
    """With TLS from the first octet. RFC 8314."""
    for what, port in (
        ("Incoming mail, IMAP", 993), ("or POP", 995), ("Outgoing mail, SMTP", 465),
        ("Address book, LDAP", 636),
    ):  # fmt: skip
        yield what, settings.MAILHOST_HOSTNAME, port + settings.MAILHOST_PORT_OFFSET
