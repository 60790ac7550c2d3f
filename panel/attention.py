"""What somebody should look at now: the bell of every page, and counters in the menu.

Asked at most twice a minute for each person, and cheap: every page has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from django.db.models import BigIntegerField, ExpressionWrapper, F, QuerySet
from django.urls import reverse

from accounts import selectors
from accounts.models import Role, User
from certificates import expiry
from clock.moments import utc_now
from domains.models import Domain
from jobs.models import Job, State
from mailboxes.models import AccountUsage, DomainUsage
from mailinglists import room as lists_room
from operations import blocks, lostaddresses
from operations.models import LostAddress
from spool import freespace, lost
from spool import selectors as spool_selectors
from units import sizes
from zones import selectors as zone_selectors
from zones.findings import Level

LASTING_SECONDS = 30
NEAR_PERCENT = 90
MEGABYTE = 1024 * 1024
MOST = 10  # of one kind
RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Matter:
    """`url_name` with `arguments` is the page to go to; empty: there is none."""

    text: str
    is_urgent: bool = False
    url_name: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Within the window of the page that asks."""
        return reverse(self.url_name, args=self.arguments) if self.url_name else ""


@dataclass(frozen=True, slots=True)
class Attention:
    """`counters`: numbers beside entries of the menu, by the name of their page."""

    matters: tuple[Matter, ...]
    counters: dict[str, int]

    @property
    def is_urgent(self) -> bool:
        return any(matter.is_urgent for matter in self.matters)


def of(actor: User) -> Attention:
    key = f"panel.attention.{actor.pk}"
    found: Attention | None = cache.get(key)
    if found is None:
        matters = tuple(matter for kind in MATTERS[actor.role] for matter in kind(actor))
        found = Attention(matters, dict(_counters(actor)))
        cache.set(key, found, LASTING_SECONDS)
    return found


def _counters(actor: User) -> Iterator[tuple[str, int]]:
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        yield "panel:spool", spool_selectors.count_waiting()
        yield "panel:blocks", blocks.standing().filter(is_notice=False).count()
    if actor.role != Role.USER:
        yield "panel:jobs", _jobs(actor, State.QUEUED, State.RUNNING)


def _disk(actor: User) -> Iterator[Matter]:
    free = freespace.free_space()
    if free.is_low:
        left = sizes.in_words(free.free_bytes)
        yield Matter(f"Only {left} of disk are free: new mail is refused for now.", is_urgent=True)


def _certificates(actor: User) -> Iterator[Matter]:
    for line in expiry.worries(now=utc_now())[:MOST]:
        yield Matter(f"Certificate of {line}", url_name="panel:certificates")


def _lost_addresses(actor: User) -> Iterator[Matter]:
    """D-033: of the whole server."""
    for row in LostAddress.objects.all()[:MOST]:
        text = f"The address {row} is gone: domains that listen on it listen on all instead."
        yield Matter(text, is_urgent=True, url_name="panel:domains")


def _domains_without_address(actor: User) -> Iterator[Matter]:
    """D-033: of the reseller's domains."""
    found = lostaddresses.domains_without(selectors.domains_for(actor)).order_by("name")
    for domain in found[:MOST]:
        yield Matter(_without_address(domain), True, "panel:domain", (domain.name,))


def _own_address(actor: User) -> Iterator[Matter]:
    """D-033: of the administrator's domain."""
    if actor.domain is not None and lostaddresses.row_for(actor.domain) is not None:
        yield Matter(_without_address(actor.domain), True)


def _without_address(domain: Domain) -> str:
    return f"{domain.listen_ip} is gone: {domain} listens on all addresses until it is back."


def _failed_jobs(actor: User) -> Iterator[Matter]:
    count = _jobs(actor, State.FAILED)
    if count:
        words = "1 background job has" if count == 1 else f"{count:,} background jobs have"
        yield Matter(f"{words} failed since yesterday.", url_name="panel:jobs")


def _lost_mail(actor: User) -> Iterator[Matter]:
    """What a crash has left and nobody knows what to do with (S-058)."""
    count = lost.count_kept()
    if count:
        words = "1 piece of mail" if count == 1 else f"{count:,} pieces of mail"
        yield Matter(
            f"A crash has left {words} whose acceptance it cut off and that could not be put into"
            " the spool.",
            url_name="panel:lost-mail",
        )


def _full_domains(actor: User) -> Iterator[Matter]:
    """The room of the reseller's domains."""
    rows = DomainUsage.objects.filter(
        domain__in=selectors.domains_for(actor), domain__domainlimits__disk_space_mb__gt=0
    )
    allowed = F("domain__domainlimits__disk_space_mb") * (MEGABYTE * NEAR_PERCENT // 100)
    near = rows.filter(
        bytes__gte=ExpressionWrapper(allowed, output_field=BigIntegerField())
    ).select_related("domain")
    for row in near.order_by("-bytes")[:MOST]:
        name = row.domain.name
        text = f"{name} has used {NEAR_PERCENT} % of its disk space or more."
        yield Matter(text, url_name="panel:domain-limits", arguments=(name,))


def _limits(actor: User) -> Iterator[Matter]:
    """Of the administrator's domain."""
    if actor.domain is None:
        return
    for one in lists_room.all_in_use(actor.domain):
        if one.allowed and one.used * 100 >= one.allowed * NEAR_PERCENT:
            used = f"{one.used:,} of {one.allowed:,} {one.limit.replace('_', ' ')}"
            yield Matter(
                f"{used} are in use.", one.used >= one.allowed, "panel:domain-limits",
                (actor.domain.name,),
            )  # fmt: skip


def _dns(actor: User) -> Iterator[Matter]:
    if actor.domain is None:
        return
    if zone_selectors.levels([actor.domain.pk]).get(actor.domain.pk) == Level.ERROR:
        text = "The domain's DNS records are not as they have to be."
        yield Matter(text, url_name="panel:dns", arguments=(actor.domain.name,))


def _full_mailboxes(actor: User) -> Iterator[Matter]:
    if actor.domain is None:
        return
    count = _nearly_full().filter(account__domain=actor.domain).exclude(account=actor).count()
    if count:
        words = "1 mailbox is" if count == 1 else f"{count:,} mailboxes are"
        yield Matter(f"{words} nearly full.", False, "panel:domain-disk", (actor.domain.name,))


def _own_mailbox(actor: User) -> Iterator[Matter]:
    row = _nearly_full().filter(account=actor).first()
    if row is not None:
        used = sizes.in_words(row.bytes)
        allowed = sizes.limit_in_words(actor.mailbox_size_mb * MEGABYTE)
        is_full = row.bytes >= actor.mailbox_size_mb * MEGABYTE
        text = f"Your mailbox is nearly full: {used} of {allowed}. Delete what you do not need."
        yield Matter(text, is_full)


MATTERS: dict[str, tuple[Callable[[User], Iterator[Matter]], ...]] = {
    Role.SYSTEM_ADMINISTRATOR: (
        _disk,
        _lost_addresses,
        _certificates,
        _lost_mail,
        _failed_jobs,
    ),
    Role.RESELLER: (_domains_without_address, _full_domains, _failed_jobs),
    Role.DOMAIN_ADMINISTRATOR: (
        _own_address,
        _limits,
        _full_domains,
        _full_mailboxes,
        _own_mailbox,
        _dns,
        _failed_jobs,
    ),
    Role.USER: (_own_mailbox,),
}


def _nearly_full() -> QuerySet[AccountUsage]:
    """Mailboxes with a size of their own that is used to nine tenths."""
    allowed = F("account__mailbox_size_mb") * (MEGABYTE * NEAR_PERCENT // 100)
    return AccountUsage.objects.filter(
        account__mailbox_size_mb__gt=0,
        bytes__gte=ExpressionWrapper(allowed, output_field=BigIntegerField()),
    )


def _jobs(actor: User, *states: State) -> int:
    rows = Job.objects.filter(state__in=states)
    if actor.role != Role.SYSTEM_ADMINISTRATOR:
        rows = rows.filter(domain_id__in=selectors.domains_for(actor).values("pk"))
    if State.FAILED in states:
        rows = rows.filter(finished_at__gte=utc_now() - RECENT)
    return rows.count()
