"""Opening, changing and closing a whole domain: its settings, its people and its addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from accounts import aliases, caps, closing, localparts, permissions, recyclebin
from accounts.models import DomainOwnership, LocalPart, User, UserAlias
from accounts.permissions import Verb
from accounts.services import NewUser, add_users
from accounts.settings import DELETION
from blobs.contention import tried_again
from clock.moments import utc_now
from domains import selectors, services
from domains.models import Domain, Tab
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

# Accounts in one statement: databases bound how many values one may have.
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDomain:
    """A domain to be. `tabs`: values by tab; `folder_path` None: below the data directory.

    Where a folder lies is the server's affair: system administrators alone choose it (D-034).
    `keeps_withheld`: features may be switched on that are withheld, and so are off all the same:
    a domain that comes from elsewhere keeps its switches.
    """

    name: str
    administrator: NewUser
    users: Sequence[NewUser] = ()
    options: Values = field(default_factory=dict)
    tabs: Mapping[str, Values] = field(default_factory=dict)
    folder_path: str | None = None
    reseller: User | None = None
    keeps_withheld: bool = False


@transaction.atomic
def open_domain(*, new: NewDomain, by: Actor | None) -> Domain:
    """A domain with its settings, its primary administrator and more users (D-037…D-040).

    Raises what `domains.services.create` and `accounts.services.add_users` do, FeatureOff, and
    NotPermitted where `by` may not choose the folder.
    """
    if new.folder_path is not None and isinstance(by, User):
        permissions.require(by, Verb.MANAGE_SERVER)
    plan = caps.lock_plan(new.reseller)
    caps.require_domain_room(new.reseller, plan)
    caps.require_server_room(domains=1)
    tabs = dict(new.tabs)
    if not new.keeps_withheld:
        caps.require_features(plan, dict(tabs.get("features", {})))
    if plan is not None:
        withheld = dict.fromkeys(plan.withheld_features, False)
        tabs["features"] = {**withheld, **tabs.get("features", {})}
    domain = services.create(
        name=new.name, by=by, options=new.options, tabs=tabs, folder_path=new.folder_path
    )
    if new.reseller is not None:
        DomainOwnership.objects.create(domain=domain, reseller=new.reseller)
    localparts.take(domain, localparts.Kind.COMMAND, {domain.list_command_address: domain.pk})
    administrator = replace(new.administrator, is_primary=True)
    add_users(domain=domain, users=[administrator, *new.users], by=by)
    return domain


@transaction.atomic
def change_options(
    *, domain: Domain, options: Values, by: Actor | None, expected_version: int | None = None
) -> Domain:
    """`domains.services.change_options`, and the command address among the local parts (D-035)."""
    selectors.locked(domain.pk)
    domain = services.change_options(
        domain=domain, options=options, by=by, expected_version=expected_version
    )
    command = LocalPart.objects.get(kind=LocalPart.Kind.COMMAND, object_id=domain.pk)
    if command.local_part != domain.list_command_address:
        localparts.require_free(domain, [domain.list_command_address])
        localparts.free(localparts.Kind.COMMAND, [domain.pk])
        owners = {domain.list_command_address: domain.pk}
        localparts.take(domain, localparts.Kind.COMMAND, owners)
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
    """`domains.services.change_tab`, within what the reseller's plan gives (X-011)."""
    if tab == "features":
        _, _, plan = caps.lock_with_plan(domain)
        caps.require_features(plan, dict(values))
    return services.change_tab(
        domain=domain, tab=tab, values=values, by=by, expected_version=expected_version
    )


@transaction.atomic
def hand_over(*, domain: Domain, reseller: User | None, by: Actor | None) -> None:
    """Give the domain to a reseller, whose plan must have room; None: to the provider itself."""
    plan = caps.lock_plan(reseller)
    selectors.locked(domain.pk)
    old = caps.reseller_of(domain)
    if old == reseller:
        return
    DomainOwnership.objects.filter(domain=domain).delete()
    if reseller is not None:
        caps.require_domain_room(reseller, plan)
        count = User.objects.filter(domain=domain).count()
        caps.require_user_room(reseller, plan, adding=count)
        DomainOwnership.objects.create(domain=domain, reseller=reseller)
    names = {"reseller": (str(old) if old else None, str(reseller) if reseller else None)}
    audit.record(by, "handed over domain", domain, names)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


def close_domain(*, domain: Domain, by: Actor | None) -> None:
    """Delete the domain, in the order of D-008; for some days it lies in the recycle bin.

    The first commit stops deliveries and log-ins; sessions end at once; the second one removes
    all rows together. A crash between them leaves a domain that is marked: call it again.
    """
    services.mark_deleting(domain=domain, by=by)
    if DELETION.load().recycle_days:
        recyclebin.keep_domain(domain, by=by, now=utc_now())
    else:
        _remove(domain, by)


@tried_again
@transaction.atomic
def _remove(domain: Domain, by: Actor | None) -> None:
    selectors.locked(domain.pk)
    accounts = list(User.objects.filter(domain=domain).values_list("pk", flat=True))
    closing.give_up_domain(domain.pk)
    batches = [accounts[i : i + BATCH] for i in range(0, len(accounts), BATCH)]
    for batch in batches:
        closing.give_up(batch)
    LocalPart.objects.filter(domain=domain).delete()
    UserAlias.objects.filter(domain=domain).delete()
    for batch in batches:
        aliases.drop_targets(domain, [], accounts=batch, by=by)  # in other domains
    User.objects.filter(domain=domain).delete()
    for key in accounts:
        publish_on_commit(Topic.SESSION, key)
    services.remove(domain=domain, by=by)
