"""The user aliases of one domain, and its further names, as lists (U-030, D-100)."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts import aliases, selectors
from accounts.models import User, UserAlias
from domains.models import Domain, DomainAlias
from panel.lists import Column, Listing, Pill


class AliasListing(Listing[UserAlias]):
    title = "User aliases"
    singular, plural = "alias", "aliases"
    identity = "local_part"
    sorted_by = "local_part"
    rows_template = "panel/aliases/rows.html"
    page_template = "panel/aliases/list.html"
    empty_text = "An alias is an address without a mailbox that leads to one or more others."
    pills = (
        Pill("all", "All", Q()),
        Pill("internal", "Internal only", Q(internal_only=True)),
    )
    columns = (
        Column("Address", "local_part", str),
        Column("Leads to", "", lambda row: " ".join(targets_of(row))),
        Column("Internal only", "", lambda row: row.internal_only),
        Column("Sending allowed", "", lambda row: row.may_send_as),
        Column("In address list", "", lambda row: row.in_address_list),
        Column("Created", "created_at", lambda row: row.created_at, unit="UTC"),
    )

    def search(self, query: str) -> Q:
        """By its own address or where it leads; of a whole address the part before the @."""
        local_part = query.partition("@")[0]
        named = Q(local_part__icontains=local_part)
        found = UserAlias.objects.filter(
            Q(targets__local_part__icontains=local_part)
            | Q(targets__account__local_part__icontains=local_part)
        )
        return named | Q(pk__in=found.values("pk"))


class DomainAliasListing(Listing[DomainAlias]):
    title = "Domain aliases"
    singular, plural = "domain alias", "domain aliases"
    identity = "name"
    sorted_by = "name"
    searched = ("name__icontains", "unicode_name__icontains")
    rows_template = "panel/domainaliases/rows.html"
    page_template = "panel/domainaliases/list.html"
    empty_text = "Mail to a further name reaches the same people as mail to the domain's own."
    columns = (
        Column("Name", "name", lambda row: row.unicode_name),
        Column("Created", "created_at", lambda row: row.created_at, unit="UTC"),
    )


def aliases_of(actor: User, domain: Domain) -> QuerySet[UserAlias]:
    rows = selectors.aliases_for(actor).filter(domain=domain)
    return rows.prefetch_related("targets__account__domain")


def targets_of(alias: UserAlias) -> list[str]:
    """As people write them; nothing is asked if the rows were fetched by `aliases_of`."""
    return sorted(aliases.target_name(alias.domain, row) for row in alias.targets.all())
