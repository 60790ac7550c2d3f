"""The verbs on a domain: create, change options and tabs, add and remove names, disable, delete.

Accounts stand above domains: whoever opens a whole domain calls `accounts.provisioning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import IntegrityError, models, transaction

from blobs.models import Area
from clock.moments import utc_now
from domains import checking, defaults, folders, limits, ports, selectors
from domains.errors import ChangedMeanwhile, NameTaken
from domains.models import (
    TABS,
    ClaimedAlias,
    Domain,
    DomainAlias,
    DomainLimits,
    DomainTechnical,
    HostedName,
    Tab,
)
from domains.names import DomainName, read_name
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]


@transaction.atomic
def create(
    *,
    name: str,
    by: Actor | None,
    options: Values | None = None,
    tabs: Mapping[str, Values] | None = None,
    folder_path: str | None = None,
) -> Domain:
    """A new domain with a row for each tab, its folder and its name.

    What is not given is as `domains.defaults` says. `folder_path` None: below the data directory.
    Raises NameMalformed, NameTaken, ValuesRefused, PortClaimed, FolderRefused.
    """
    hosted = read_name(name)
    if HostedName.objects.filter(name=hosted.name).exists():
        raise NameTaken(hosted.name)
    path = (
        folders.default_path(hosted.name)
        if folder_path is None
        else folders.check_path(folder_path)
    )
    folders.require_apart(path)
    folders.require_writable(path)
    domain = Domain(name=hosted.name, unicode_name=hosted.unicode_name, created_at=utc_now())
    begins_with = defaults.current()
    changes = checking.set_options(domain, {**begins_with.pop("options"), **(options or {})})
    try:
        with transaction.atomic():
            domain.area = Area.objects.create(
                name=folders.default_path(hosted.name), path=path, kind=Area.Kind.DOMAIN
            )
            domain.save(force_insert=True)
            HostedName.objects.create(name=hosted.name, domain=domain)
    except IntegrityError:
        raise NameTaken(hosted.name) from None
    for tab, model in TABS.items():
        changes |= _add_tab(domain, model, {**begins_with[tab], **(tabs or {}).get(tab, {})})
    audit.record(by, "created domain", domain, {"folder_path": (None, path), **changes})
    transaction.on_commit(partial(folders.make, path))
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return domain


@transaction.atomic
def change_tab(
    *,
    domain: Domain,
    tab: str,
    values: Values,
    by: Actor | None,
    expected_version: int | None = None,
) -> Tab:
    """Set the given values of one tab; what is not given stays.

    `expected_version`: the domain's version that the caller saw (D-007). Raises ValuesRefused,
    PortClaimed, ChangedMeanwhile. A limit below what is in use is taken (D-092).
    """
    domain = _lock(domain, expected_version)
    row = selectors.tab_of(domain, tab)
    changes = replace(row, values, fields=settable_fields(TABS[tab]))
    if changes:
        _check_across(domain, row)
        row.save(update_fields=list(changes))
        _finish(domain, f"changed {tab.replace('_', ' ')}", changes, by)
    return row


@transaction.atomic
def change_options(
    *, domain: Domain, options: Values, by: Actor | None, expected_version: int | None = None
) -> Domain:
    """Set `listen_ip`, `list_command_address` or `is_disabled`.

    A command address needs its place among the local parts: `accounts.provisioning` sees to it.
    """
    domain = _lock(domain, expected_version)
    changes = checking.set_options(domain, options)
    if changes:
        ports.require_free(domain, DomainTechnical.objects.get(domain=domain))
        domain.save(update_fields=list(changes))
        _finish(domain, "changed options", changes, by)
    return domain


def set_disabled(*, domain: Domain, is_disabled: bool, by: Actor | None) -> Domain:
    """Shut the domain off, or open it again; nothing is deleted (D-036)."""
    return change_options(domain=domain, options={"is_disabled": is_disabled}, by=by)


def require_alias_room(domain: Domain) -> None:
    """Raises LimitReached if there may not be one more further name."""
    ceiling = DomainLimits.objects.get(domain=domain).domain_aliases
    limits.require_room("domain_aliases", ceiling, used=domain.aliases.count())


@transaction.atomic
def add_alias(*, domain: Domain, name: str, by: Actor | None) -> DomainAlias:
    """A further name (D-101); a claim of the domain on it is fulfilled.

    Raises NameMalformed, NameTaken, LimitReached.
    """
    hosted = read_name(name)
    domain = selectors.locked(domain.pk)
    if HostedName.objects.filter(name=hosted.name).exists():
        raise NameTaken(hosted.name)
    require_alias_room(domain)
    alias = _insert_alias(domain, hosted)
    ClaimedAlias.objects.filter(domain=domain, name=hosted.name).delete()
    _finish(domain, "added domain alias", {"alias": (None, hosted.name)}, by)
    return alias


@transaction.atomic
def remove_alias(*, alias: DomainAlias, by: Actor | None) -> None:
    """Mail to the name is relay-denied from now on (D-102); what was accepted is delivered."""
    domain = selectors.locked(alias.domain_id)
    name = alias.name
    HostedName.objects.filter(name=name, domain=domain, is_alias=True).delete()
    alias.delete()
    _finish(domain, "removed domain alias", {"alias": (name, None)}, by)


@transaction.atomic
def mark_deleting(*, domain: Domain, by: Actor | None) -> Domain:
    """The first step of deleting: deliveries are deferred and log-ins refused (D-008)."""
    domain = selectors.locked(domain.pk)
    if not domain.is_deleting:
        domain.is_deleting = True
        domain.save(update_fields=["is_deleting"])
        _finish(domain, "began to delete domain", {}, by)
    return domain


@transaction.atomic
def remove(*, domain: Domain, by: Actor | None) -> None:
    """The last step of deleting: the rows go, the folder gets a trash name in one rename.

    The area stays: its segments are removed when nothing in them is referred to any more, and then
    the rest (`folders.empty_trash`).
    """
    domain = selectors.locked(domain.pk)
    _move_folder_to_trash(domain)
    audit.record(by, "deleted domain", domain)
    _delete_rows(domain)


@transaction.atomic
def recycle(*, domain: Domain, item_id: int, by: Actor | None) -> None:
    """The same, with the rows kept out of sight: its names are free from now on."""
    domain = selectors.locked(domain.pk)
    _move_folder_to_trash(domain)
    audit.record(by, "deleted domain", domain)
    HostedName.objects.filter(domain=domain).delete()
    DomainAlias.objects.filter(domain=domain).delete()
    ClaimedAlias.objects.filter(domain=domain).delete()
    Domain.objects.filter(pk=domain.pk).update(recycled=item_id)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


@transaction.atomic
def restore(*, domain: Domain, folder_path: str, by: Actor | None) -> Domain:
    """Bring a recycled domain back under its name, as it was, with its folder at that place.

    Its aliases are for the caller to add. Raises NameTaken, PortClaimed, FolderRefused.
    """
    domain = selectors.locked_recycled(domain.pk)
    if HostedName.objects.filter(name=domain.name).exists():
        raise NameTaken(domain.name)
    ports.require_free(domain, DomainTechnical.objects.get(domain=domain))
    folders.require_apart(folder_path)
    folders.require_absent(folder_path)
    domain.recycled, domain.is_deleting = None, False
    domain.save(update_fields=["recycled", "is_deleting"])
    HostedName.objects.create(name=domain.name, domain=domain)
    _move_folder(domain, folder_path)
    _finish(domain, "restored domain", {}, by)
    return domain


@transaction.atomic
def purge(*, domain: Domain, by: Actor | None) -> None:
    """The rows of a recycled domain go for good."""
    domain = selectors.locked_recycled(domain.pk)
    audit.record(by, "purged domain", domain)
    _delete_rows(domain)


def _move_folder(domain: Domain, path: str) -> None:
    area = Area.objects.select_for_update().get(pk=domain.area_id)
    _place(area, folders.default_path(domain.name), path)


def _move_folder_to_trash(domain: Domain) -> None:
    area = Area.objects.select_for_update().get(pk=domain.area_id)
    _place(area, folders.trash_name(area), folders.trash_path(area))


def _place(area: Area, name: str, path: str) -> None:
    old, area.path, area.name = area.path, path, name
    area.save(update_fields=["name", "path"])
    transaction.on_commit(partial(folders.move, old, path))


def _delete_rows(domain: Domain) -> None:
    key = domain.pk
    domain.delete()
    publish_on_commit(Topic.DOMAIN, key, durable=True)


def _lock(domain: Domain, expected_version: int | None) -> Domain:
    locked = selectors.locked(domain.pk)
    if expected_version is not None and locked.version != expected_version:
        raise ChangedMeanwhile(expected_version, locked.version)
    return locked


def _finish(domain: Domain, verb: str, changes: audit.Changes, by: Actor | None) -> None:
    Domain.objects.filter(pk=domain.pk).update(version=models.F("version") + 1)
    domain.version += 1
    audit.record(by, verb, domain, changes)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


def _add_tab(domain: Domain, model: type[Tab], given: Values) -> dict[str, tuple[Any, Any]]:
    row = model(domain=domain)
    changes = replace(row, given, fields=settable_fields(model))
    _check_across(domain, row)
    row.save(force_insert=True)
    return changes


def _check_across(domain: Domain, row: Tab) -> None:
    """Rules that bind more than one value."""
    if not isinstance(row, DomainTechnical):
        return
    ports.require_free(domain, row)
    checking.require_sources(row)


def _insert_alias(domain: Domain, hosted: DomainName) -> DomainAlias:
    try:
        with transaction.atomic():
            HostedName.objects.create(name=hosted.name, domain=domain, is_alias=True)
            return DomainAlias.objects.create(
                domain=domain,
                name=hosted.name,
                unicode_name=hosted.unicode_name,
                created_at=utc_now(),
            )
    except IntegrityError:
        raise NameTaken(hosted.name) from None
