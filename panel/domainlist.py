"""The domains in sight of somebody, with what the list shows of each (D-001, D-002)."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Cast, Coalesce

from accounts import selectors
from accounts.models import User, UserAlias
from clock.moments import utc_now
from domains.models import Domain, HostedName
from domains.policy import MEGABYTE
from mailboxes.models import DomainUsage
from mailinglists.models import MailingList
from operations.models import LostAddress
from panel.lists import Column, Listing, Pill
from spool import throttled

_allowed_mb = Cast("domainlimits__disk_space_mb", BigIntegerField())  # no 32 bits for the product
OVER_QUOTA = Q(domainlimits__disk_space_mb__gt=0, usage__bytes__gt=_allowed_mb * MEGABYTE)


class DomainListing(Listing[Domain]):
    title = "Domains"
    singular, plural = "domain", "domains"
    identity = "name"
    sorted_by = "name"
    rows_template = "panel/domains/rows.html"
    page_template = "panel/domains/list.html"
    empty_text = "A domain is what mail is hosted for: its users, addresses and limits."
    pills = (
        Pill("all", "All", Q()),
        Pill("running", "Running", Q(is_disabled=False, is_deleting=False)),
        Pill("disabled", "Disabled", Q(is_disabled=True)),
        Pill("over-quota", "Over quota", OVER_QUOTA),
        Pill("throttled", "Throttled", Q(is_throttled=True)),
    )
    columns = (
        Column("Domain", "name", lambda row: row.unicode_name),
        Column("IP address", "listen_ip", lambda row: row.listen_ip or "All"),
        Column("Users", "users_used", lambda row: row.users_used),
        Column("Aliases", "aliases_used", lambda row: row.aliases_used),
        Column("Lists", "lists_used", lambda row: row.lists_used),
        Column("Disk space", "disk_used", lambda row: row.disk_used, unit="bytes"),
        Column("Created", "created_at", lambda row: row.created_at, unit="UTC"),
        Column("Status", "", lambda row: _status(row)),
    )

    def search(self, query: str) -> Q:
        """By any of a domain's names."""
        named = HostedName.objects.filter(name__icontains=query).values("domain")
        return Q(unicode_name__icontains=query) | Q(pk__in=named)


def with_figures(rows: QuerySet[Domain]) -> QuerySet[Domain]:
    """Each count is asked for the rows of one page only."""
    usage = DomainUsage.objects.filter(domain=OuterRef("pk")).values("bytes")
    reached = throttled.domains_throttled(utc_now()).filter(key_id=OuterRef("pk"))
    return rows.annotate(
        is_throttled=Exists(reached),
        is_address_lost=Exists(LostAddress.objects.filter(address=OuterRef("listen_ip"))),
        dns_level=F("zone_check__level"),  # of the newest check; None: there was none (G-032)
        users_used=_count(User),
        aliases_used=_count(UserAlias),
        lists_used=_count(MailingList),
        disk_used=Coalesce(Subquery(usage), 0, output_field=BigIntegerField()),
        disk_limit_mb=F("domainlimits__disk_space_mb"),
        users_limit=F("domainlimits__users"),
    )


def domains_in_sight(actor: User) -> QuerySet[Domain]:
    return with_figures(selectors.domains_for(actor))


def _status(row: Any) -> str:
    if row.is_disabled:
        return "disabled"
    return "throttled" if row.is_throttled else "running"


def _count(model: type[Model]) -> Any:
    counted = (
        model._default_manager.filter(domain=OuterRef("pk"))
        .order_by()
        .values("domain")
        .annotate(count=Count("*"))  # no column of each row is looked at
        .values("count")
    )
    return Coalesce(Subquery(counted), 0)
