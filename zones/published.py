"""The MTA-STS policies of hosted domains: what others are told, and changing it (RFC 8461)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.conf import settings as conf
from django.db import transaction

from domains import selectors
from domains.errors import DomainUnknown, NameMalformed, Problem, ValuesRefused
from domains.models import Domain
from domains.names import read_name
from domains.values import replace
from events import audit
from events.audit import Actor
from protocols.mtasts import Mode, Policy
from zones.models import PublishedPolicy, StsMode

FIELDS = ("mode", "more_hosts", "max_age_seconds")


def policy_of(domain: Domain) -> Policy | None:
    """None: the domain has none."""
    row = PublishedPolicy.objects.filter(domain=domain).first() or PublishedPolicy(domain=domain)
    if row.mode == StsMode.OFF:
        return None
    hosts = [conf.MAILHOST_HOSTNAME.lower()]
    if domain.listen_ip:
        # Where its MX may have to point, so that mail comes to its own address.
        hosts.append(f"mail.{domain.name}")
    hosts += _names(row.more_hosts)
    return Policy(Mode(row.mode), row.max_age_seconds, tuple(dict.fromkeys(hosts)))


def policy_for(name: str) -> Policy | None:
    """The policy of the domain that has the name, as its own or as an alias; None: none."""
    try:
        domain = selectors.by_name(name)
    except DomainUnknown:
        return None
    return None if domain.is_deleting else policy_of(domain)


def id_of(policy: Policy) -> str:
    """For the TXT record: another one whenever the policy is another."""
    return sha256(policy.encode()).hexdigest()[:20]


@transaction.atomic
def change_policy(
    *, domain: Domain, values: Mapping[str, Any], by: Actor | None
) -> PublishedPolicy:
    """Set the given values; the others stay. Raises ValuesRefused."""
    PublishedPolicy.objects.get_or_create(domain=domain)
    row = PublishedPolicy.objects.select_for_update().get(domain=domain)
    changes = replace(row, values, fields=FIELDS)
    try:
        _names(row.more_hosts)
    except NameMalformed as error:
        raise ValuesRefused((Problem("more_hosts", str(error)),)) from error
    if changes:
        row.save(update_fields=list(changes))
        audit.record(by, "changed MTA-STS policy", domain, changes)
    return row


@transaction.atomic
def reset_policy(*, domain: Domain, by: Actor | None) -> None:
    """Serve the standard policy again."""
    row = PublishedPolicy.objects.filter(domain=domain).first()
    if row is not None:
        kept = {name: (getattr(row, name), None) for name in FIELDS}
        audit.record(by, "reset MTA-STS policy", domain, kept)
        row.delete()


def _names(text: str) -> list[str]:
    """Raises NameMalformed."""
    names = (each.strip() for each in text.split(","))
    return [_pattern(each) for each in names if each]


def _pattern(text: str) -> str:
    star = "*." if text.startswith("*.") else ""
    return star + read_name(text.removeprefix("*.")).name
