"""Domains by name and by key, for services and pages; the hot paths ask `domains.directory`."""

from __future__ import annotations

from django.db.models import QuerySet

from domains.errors import DomainUnknown, NameMalformed, NameMovedOn
from domains.models import TABS, Domain, HostedName, Tab
from domains.names import read_name


def domains() -> QuerySet[Domain]:
    """All domains with what a list shows of each."""
    return Domain.objects.select_related("area", "domainlimits")


def by_name(text: str) -> Domain:
    """The domain of that name or alias, as people type it. Raises DomainUnknown."""
    try:
        name = read_name(text).name
    except NameMalformed:
        raise DomainUnknown(text) from None
    hosted = HostedName.objects.select_related("domain").filter(name=name).first()
    if hosted is None:
        raise DomainUnknown(name)
    return hosted.domain


def by_own_name(text: str) -> Domain:
    """The domain of that very name. Raises DomainUnknown; NameMovedOn if it is called otherwise
    now and answers to the name as an alias only (D-111)."""
    domain = by_name(text)
    require_own_name(domain, text)
    return domain


def require_own_name(domain: Domain, text: str) -> None:
    """Raises NameMovedOn: the text is one of its aliases."""
    if read_name(text).name != domain.name:
        raise NameMovedOn(text, domain.name)


def locked(domain_id: int) -> Domain:
    """The domain's row, locked for the caller's transaction: changes of one domain queue here.

    Rows that only refer to the domain, such as new mail, do not wait for it.
    Raises DomainUnknown: it has been deleted since it was looked up.
    """
    domain = Domain.objects.select_for_update(no_key=True).filter(pk=domain_id).first()
    if domain is None:
        recycled = Domain.everything.filter(pk=domain_id).first()
        raise DomainUnknown(recycled.name if recycled else f"number {domain_id}")
    return domain


def locked_recycled(domain_id: int) -> Domain:
    """The same for one in the recycle bin."""
    rows = Domain.everything.select_for_update(no_key=True)
    return rows.exclude(recycled=None).get(pk=domain_id)


def tab_of(domain: Domain, tab: str) -> Tab:
    """The row behind a tab; `tab` is a key of TABS."""
    return TABS[tab]._default_manager.get(domain=domain)


def names_of(domain: Domain) -> list[str]:
    """The domain's own name and its aliases."""
    return list(domain.hosted_names.values_list("name", flat=True))
