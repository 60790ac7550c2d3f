"""Undoing what was changed about the MTA-STS policy that is published for a domain."""

from __future__ import annotations

from accounts.models import User
from accounts.permissions import Verb
from administration.errors import GoneSince
from administration.rules.domains import DOMAIN, domain_of
from administration.rules.table import kept, old_values, require, undoes
from events.models import AuditEntry
from zones import published
from zones.models import PublishedPolicy


@undoes(DOMAIN, "changed MTA-STS policy")
def changed(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CHANGE_TECHNICAL, domain)
    row = PublishedPolicy.objects.filter(domain=domain).first()
    if row is None:
        raise GoneSince(f"the policy of {entry.object_name}")
    values = old_values(entry, row)
    if values:
        published.change_policy(domain=domain, values=values, by=by)
    return bool(values)


@undoes(DOMAIN, "reset MTA-STS policy")
def reset(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CHANGE_TECHNICAL, domain)
    if PublishedPolicy.objects.filter(domain=domain).exists():
        return False
    published.change_policy(domain=domain, values=kept(entry), by=by)
    return True
