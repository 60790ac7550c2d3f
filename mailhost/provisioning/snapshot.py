"""A server as a YAML file that `apply` reads: everything, in one settled order."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from django.db import models

from accounts import aliases, passwords, services
from accounts.aliases import fields_of
from accounts.models import (
    CATCH_ALL,
    AliasTarget,
    DomainOwnership,
    ForwardingBan,
    Plan,
    ResellerPlan,
    Role,
    User,
    UserAlias,
)
from domains import defaults, folders, selectors
from domains.models import TABS, Domain, Tab
from domains.values import settable_fields
from events import audit
from mailhost.provisioning.credentials import write_scram
from mailhost.provisioning.domainreading import OPTIONS
from mailhost.provisioning.listreading import RULES
from mailhost.provisioning.settings import SETTINGS
from mailhost.provisioning.systemreading import GATEWAY_FIELDS, PLAN_FIELDS
from mailinglists import services as lists
from mailinglists.models import MailingList, Mode, Subscriber, SubscriberState
from operations import relay, rules
from operations.models import AbuseRule, BlacklistEntry, RelayNetwork, WhitelistEntry
from spool import gateways, relaydomains
from spool.models import Gateway, RelayDomain, SingleDestination
from transport.selectors import exceptions

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_Dumper):  # type: ignore[misc]
    """Writes equal lists twice rather than as references that nobody can read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """What goes into the file. `is_short`: without values that are the defaults.

    `usual`: rows with the defaults of models whose own are not what counts.
    """

    has_secrets: bool = False
    is_short: bool = False
    usual: Mapping[type[models.Model], Sequence[models.Model]] = field(default_factory=dict)

    def values(self, row: models.Model, names: Iterable[str]) -> Item:
        """The fields of a row; None, which a file cannot say, is left out."""
        usual = self.usual.get(type(row)) or (type(row)(),) if self.is_short else ()
        found = {name: getattr(row, name) for name in names}
        return {
            # A member of an enumeration is written as its value.
            name: str(value) if isinstance(value, str) else value
            for name, value in found.items()
            if value is not None
            and not (usual and all(getattr(one, name) == value for one in usual))
        }


def write(extent: Extent, domain_names: Iterable[str] = ()) -> Iterator[str]:
    """The file in pieces; with names only those domains. Raises DomainUnknown."""
    names = list(domain_names)
    extent = replace(extent, usual=_usual(has_defaults=not names))
    if not names:
        yield from _server(extent)
    chosen = [selectors.by_name(name).pk for name in names]
    query = Domain.objects.select_related("area", *_TAB_ROWS).order_by("name")
    rows = query.filter(pk__in=chosen) if names else query
    yield from _list("domains", (_domain(row, extent) for row in rows.iterator()))
    if not names:
        yield from _list("gateways", (_gateway(row, extent) for row in Gateway.objects.all()))


_TAB_ROWS = [model._meta.model_name or "" for model in TABS.values()]


def _usual(*, has_defaults: bool) -> dict[type[models.Model], list[models.Model]]:
    """What need not be said of a domain: what its file's defaults say, or any server's."""
    templates = [defaults.current(), *(() if has_defaults else (defaults.factory(),))]
    return {
        model: [model(**template[part]) for template in templates]
        for part, model in defaults.PARTS.items()
    }


def _domain_defaults(extent: Extent) -> Item:
    """Written as those of a domain are."""
    present, factory = defaults.current(), defaults.factory()
    item: Item = {}
    for part, values in present.items():
        found = {
            name: audit.plain(value)
            for name, value in values.items()
            if value is not None and not (extent.is_short and value == factory[part][name])
        }
        if part == "options":
            item |= {key: found[name] for key, name in OPTIONS.items() if name in found}
        elif found:
            item[part] = found
    return item


def _server(extent: Extent) -> Iterator[str]:
    settings = {
        name: extent.values(row.load(), settable_fields(row.model))
        for name, row in SETTINGS.items()
    }
    settings = {name: values for name, values in settings.items() if values}
    if settings:
        yield _dump({"settings": settings})
    if begins_with := _domain_defaults(extent):
        yield _dump({"domain_defaults": begins_with})
    networks = RelayNetwork.objects.all()
    listed = ({"network": row.network, **extent.values(row, relay.FIELDS)} for row in networks)
    yield from _list("relay_networks", listed)
    rows = RelayDomain.objects.all()
    relayed = ({"name": row.name, **extent.values(row, relaydomains.FIELDS)} for row in rows)
    yield from _list("relay_domains", relayed)
    bans = [{"name": row.name, "note": row.note} for row in ForwardingBan.objects.all()]
    yield from _list("forwarding_blacklist", bans)
    singles = [{"name": row.name, "note": row.note} for row in SingleDestination.objects.all()]
    yield from _list("single_destinations", singles)
    yield from _list("tls_policies", exceptions())
    yield from _guard(extent)
    people = User.objects.filter(domain=None).order_by("local_part")
    administrators = people.filter(role=Role.SYSTEM_ADMINISTRATOR)
    yield from _list("system_administrators", (_person(row, extent) for row in administrators))
    plans = Plan.objects.all()
    items = ({"name": plan.name, **extent.values(plan, PLAN_FIELDS)} for plan in plans)
    yield from _list("plans", items)
    resellers = people.filter(role=Role.RESELLER)
    yield from _list("resellers", (_reseller(row, extent) for row in resellers))


def _guard(extent: Extent) -> Iterator[str]:
    """Who may connect: the whitelist first, as it says what may not be blacklisted."""
    fields = ("network", "services", "note", "skips_greylisting")
    yield from _list("whitelist", (extent.values(r, fields) for r in WhitelistEntry.objects.all()))
    listed = BlacklistEntry.objects.all().iterator()
    yield from _list("blacklist", (extent.values(r, fields[:3]) for r in listed))
    kept = ({"kind": r.kind, **extent.values(r, rules.FIELDS)} for r in AbuseRule.objects.all())
    yield from _list("abuse_rules", kept)


def _person(user: User, extent: Extent) -> Item:
    values = extent.values(user, services.PERSON_FIELDS)
    return {"username": user.local_part, **_credentials(user, extent), **values}


def _reseller(user: User, extent: Extent) -> Item:
    row = ResellerPlan.objects.select_related("plan").filter(reseller=user).first()
    return _person(user, extent) | ({"plan": row.plan.name} if row else {})


def _domain(domain: Domain, extent: Extent) -> Item:
    users = list(domain.users.order_by("local_part").prefetch_related("app_passwords"))
    primary = next((user for user in users if user.is_primary_administrator), None)
    item: Item = {"name": domain.name}
    if primary is not None:
        item["admin"] = _user(primary, extent)
    item |= _options(domain, extent)
    for tab in TABS:
        values = extent.values(_row_of(domain, tab), settable_fields(TABS[tab]))
        if values:
            item[tab] = values
    item["users"] = [_user(user, extent) for user in users if user is not primary]
    item |= _aliases(domain, extent)
    if mailing_lists := [_mailing_list(row, extent) for row in _lists_of(domain)]:
        item["mailing_lists"] = mailing_lists
    item["domain_aliases"] = list(domain.aliases.values_list("name", flat=True))
    return item


def _row_of(domain: Domain, tab: str) -> Tab:
    row: Tab = getattr(domain, TABS[tab]._meta.model_name or "")
    return row


def _options(domain: Domain, extent: Extent) -> Item:
    usual: Any = extent.usual[Domain]
    may_be_silent = extent.is_short and not any(row.listen_ip for row in usual)
    item: Item = {} if may_be_silent else {"listen_ip": "all"}
    for key, name in OPTIONS.items():
        values = extent.values(domain, [name])
        item |= {key: values[name]} if values else {}
    if domain.area.path != folders.default_path(domain.name):
        item["folder_path"] = str(domain.area.directory)
    owner = DomainOwnership.objects.select_related("reseller").filter(domain=domain).first()
    if owner is not None:
        item["reseller"] = owner.reseller.local_part
    return item


def _user(user: User, extent: Extent) -> Item:
    item: Item = {"username": user.local_part, **_credentials(user, extent)}
    if user.role == Role.DOMAIN_ADMINISTRATOR and not user.is_primary_administrator:
        item["administrator"] = True
    item |= extent.values(user, services.USER_FIELDS)
    if extent.has_secrets:
        rows = sorted(user.app_passwords.all(), key=lambda row: row.name)
        items = [
            {"name": row.name, "password_hash": row.password, "scopes": list(row.scopes)}
            | _cram_md5(bytes(row.cram_md5_state))
            for row in rows
        ]
        if items:
            item["app_passwords"] = items
    return item


def _credentials(user: User, extent: Extent) -> Item:
    if not extent.has_secrets or not user.has_usable_password():
        return {}
    keys = passwords.scram_keys(user)
    return {
        "password_hash": user.password,
        **({"scram_sha_256": write_scram(keys)} if keys else {}),
        **_cram_md5(bytes(user.cram_md5_state)),
    }


def _cram_md5(sealed: bytes) -> Item:
    """In the clear: another server has another key."""
    if not sealed:
        return {}
    return {"cram_md5_state": base64.b64encode(passwords.open_cram_md5(sealed)).decode()}


def _aliases(domain: Domain, extent: Extent) -> Item:
    rows = UserAlias.objects.filter(domain=domain).order_by("local_part")
    targets: dict[int, list[str]] = {row.pk: [] for row in rows}
    found = AliasTarget.objects.select_related("account__domain").filter(alias__domain=domain)
    for target in found:
        targets[target.alias_id].append(aliases.target_name(domain, target))
    items = {
        row.local_part: {
            "targets": sorted(targets[row.pk]),
            **extent.values(row, fields_of(row.local_part)),
        }
        for row in rows
    }
    catch_all = items.pop(CATCH_ALL, None)
    listed = [{"name": name, **item} for name, item in items.items()]
    return {"user_aliases": listed, **({"catch_all": catch_all} if catch_all else {})}


def _lists_of(domain: Domain) -> Iterable[MailingList]:
    return MailingList.objects.filter(domain=domain).order_by("local_part")


def _mailing_list(row: MailingList, extent: Extent) -> Item:
    """Without the post password, which is not kept in a form that a file could give back."""
    item: Item = {"name": row.local_part, **extent.values(row, lists.FIELDS)}
    if names := lists.moderator_names(row):
        item["moderators"] = names
    for key, kind in RULES.items():
        rules = row.poster_rules.filter(kind=kind).order_by("pattern")
        if patterns := list(rules.values_list("pattern", flat=True)):
            item[key] = patterns
    # Who has not confirmed is on no list yet.
    found = row.subscribers.exclude(state=SubscriberState.UNCONFIRMED).order_by("key")
    if subscribers := [_subscriber(one) for one in found.iterator(chunk_size=1000)]:
        item["subscribers"] = subscribers
    return item


def _subscriber(row: Subscriber) -> str | Item:
    """The address alone where nothing else is to be said."""
    item: Item = {}
    if row.name:
        item["name"] = row.name
    if row.mode != Mode.STANDARD:
        item["mode"] = row.mode
    if row.state == SubscriberState.SUSPENDED:
        item["suspended"] = True
    return {"address": row.address, **item} if item else row.address


def _gateway(gateway: Gateway, extent: Extent) -> Item:
    scope = gateways.scope_of(gateway)
    secret = gateways.password_of(gateway) if extent.has_secrets else ""
    return {
        "name": gateway.name,
        **extent.values(gateway, GATEWAY_FIELDS),
        **({"password": secret} if secret else {}),
        "domains": scope["destinations"],
        "sending_domains": scope["sending_domains"],
    }


def _list(key: str, items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One entry at a time, so that a big server needs no big memory."""
    is_first = True
    for item in items:
        text = _dump([item]).replace("\n", "\n  ").rstrip(" ")
        yield f"{key}:\n  {text}" if is_first else f"  {text}"
        is_first = False


def _dump(value: Any) -> str:
    """Single things on one line each, as people write such files."""
    text: str = yaml.dump(
        value,
        Dumper=_PlainDumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=2**31 - 1,
    )
    return text
