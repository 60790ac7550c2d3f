"""Undoing what was changed about a domain: options, tabs, further names, its reseller."""

from __future__ import annotations

from functools import partial

from accounts import provisioning
from accounts.models import Role, User
from accounts.permissions import Verb
from administration.errors import CannotUndo, GoneSince, MovedOn
from administration.movejob import start_move
from administration.renamejob import start_rename
from administration.rules.table import RULES, old_values, require, undoes
from clock.moments import utc_now
from domains import claims, moving, selectors, services
from domains.errors import DomainUnknown
from domains.models import TABS, ClaimedAlias, Domain, DomainAlias
from events.models import AuditEntry
from signing import keys
from signing.models import SigningKey

DOMAIN = "domains.domain"


def domain_of(entry: AuditEntry) -> Domain:
    """Locked. Raises GoneSince."""
    try:
        return selectors.locked(entry.object_id or 0)
    except DomainUnknown:
        raise GoneSince(f"the domain {entry.object_name}") from None


@undoes(DOMAIN, "changed options")
def options(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    is_switch = set(entry.changes) == {"is_disabled"}
    require(by, Verb.DISABLE_DOMAIN if is_switch else Verb.CHANGE_OPTIONS, domain)
    values = old_values(entry, domain)
    if values:
        provisioning.change_options(domain=domain, options=values, by=by)
    return bool(values)


def _tab(name: str, entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb(f"change_{name}"), domain)
    values = old_values(entry, selectors.tab_of(domain, name))
    if values:
        provisioning.change_tab(domain=domain, tab=name, values=values, by=by)
    return bool(values)


for _name in TABS:
    RULES[DOMAIN, f"changed {_name.replace('_', ' ')}"] = partial(_tab, _name)


@undoes(DOMAIN, "added domain alias")
def added_alias(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CHANGE_DOMAIN_ALIASES, domain)
    alias = DomainAlias.objects.filter(domain=domain, name=entry.changes["alias"][1]).first()
    if alias is not None:
        services.remove_alias(alias=alias, by=by)
    return alias is not None


@undoes(DOMAIN, "removed domain alias")
def removed_alias(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CHANGE_DOMAIN_ALIASES, domain)
    name = entry.changes["alias"][0]
    if DomainAlias.objects.filter(domain=domain, name=name).exists():
        return False
    services.add_alias(domain=domain, name=name, by=by)
    return True


@undoes(DOMAIN, "claimed domain alias")
def claimed_alias(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CHANGE_DOMAIN_ALIASES, domain)
    claim = ClaimedAlias.objects.filter(domain=domain, name=entry.changes["claim"][1]).first()
    if claim is not None:
        claims.withdraw(claim=claim, by=by)
    return claim is not None


@undoes(DOMAIN, "handed over domain")
def handed_over(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.MANAGE_SERVER)
    old, new = entry.changes["reseller"]
    ownership = getattr(domain, "ownership", None)
    current = str(ownership.reseller) if ownership else None
    if current == old:
        return False
    if current != new:
        raise MovedOn("the reseller", str(new or "nobody"), str(current or "nobody"))
    reseller = User.objects.filter(domain=None, role=Role.RESELLER, local_part=old).first()
    if old is not None and reseller is None:
        raise GoneSince(f"the reseller {old}")
    provisioning.hand_over(domain=domain, reseller=reseller, by=by)
    return True


@undoes(DOMAIN, "reloaded domain")
def reloaded(entry: AuditEntry, by: User | None) -> bool:
    """What it imported has entries of its own, which are what is undone."""
    return False


@undoes(DOMAIN, "renamed domain")
def renamed(entry: AuditEntry, by: User | None) -> bool:
    """A job renames it back: as it was, with the aliases that it had."""
    domain = domain_of(entry)
    require(by, Verb.RENAME_DOMAIN, domain)
    old, new = entry.changes["name"]
    if domain.name == old:
        return False
    if domain.name != new:
        raise MovedOn("the name", new, domain.name)
    if not DomainAlias.objects.filter(domain=domain, name=old).exists():
        raise CannotUndo(f"{old} is not an alias of the domain any more")
    was_alias = new in entry.changes["domain_aliases"][0]
    start_rename(domain=domain, name=old, keeps_old=was_alias, by=by)
    return True


@undoes(DOMAIN, "moved folder")
def moved_folder(entry: AuditEntry, by: User | None) -> bool:
    """A job moves it back."""
    domain = domain_of(entry)
    require(by, Verb.MANAGE_SERVER)
    old, new = entry.changes["folder_path"]
    path = domain.area.path
    if path == old:
        return False
    if path != new:
        raise MovedOn("the folder", new, path)
    start_move(domain=domain, folder_path=moving.text_for(old), by=by)
    return True


@undoes(DOMAIN, "generated signing key")
def generated_signing_key(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CHANGE_SIGNING, domain)
    selector, _, name = str(entry.changes["key"][1]).partition("._domainkey.")
    key = SigningKey.objects.filter(domain=domain, name=name, selector=selector).first()
    if key is None or key.retired_at is not None:
        return False
    if key.published_at is not None:
        raise MovedOn("signing key", "waiting for its record", "in use")
    keys.retire(domain=domain, selector=selector, name=name, by=by, now=utc_now())
    return True
