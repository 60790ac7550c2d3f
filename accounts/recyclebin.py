"""The recycle bin: deleted users and domains, kept for some days, restored or purged (D-008)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from accounts import administrators, aliases, aliastargets, caps, closing, localparts, rows
from accounts.aliases import Dropped
from accounts.errors import NotPermitted
from accounts.models import DomainOwnership, LocalPart, Recycled, Role, User, UserAlias
from accounts.permissions import Verb, require
from accounts.selectors import domains_for
from accounts.settings import DELETION
from blobs.contention import tried_again
from domains import selectors as domain_selectors
from domains import services as domain_services
from domains.errors import LimitReached, NameTaken, Refused
from domains.models import Domain
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

BATCH = 500


class RecycledUnknown(Refused):
    """There is nothing of that number in the recycle bin, or not for this actor."""

    def __init__(self, item_id: int) -> None:
        super().__init__(item_id)
        self.item_id = item_id

    def __str__(self) -> str:
        return f"there is no item {self.item_id} in the recycle bin"


class DomainRecycled(Refused):
    """The user's domain must be restored first."""

    def __str__(self) -> str:
        return "the domain of this user does not exist any more: restore it first"


def keep_user(user: User, dropped: Sequence[Dropped], *, by: Actor | None, now: datetime) -> bool:
    """Called within deleting a user, whose addresses are free already.

    False: nothing is to be kept, and the caller removes the rows.
    """
    domain = user.domain
    if domain is None or not (days := DELETION.load().recycle_days):
        return False
    kept = {
        "was_primary": user.is_primary_administrator,
        "aliases": [asdict(one) for one in dropped],
    }
    item = _keep(Recycled.Kind.USER, user.pk, str(user), domain, kept, by=by, now=now, days=days)
    User.objects.filter(pk=user.pk).update(recycled=item.pk, is_primary_administrator=False)
    return True


@tried_again
@transaction.atomic
def keep_domain(domain: Domain, *, by: Actor | None, now: datetime) -> Recycled:
    """Take a domain that is marked as deleting out of sight, with all that is in it.

    Mail it was still sending is dropped now; sessions of its people end.
    """
    domain = domain_selectors.locked(domain.pk)
    closing.give_up_domain(domain.pk)
    keys = list(User.objects.filter(domain=domain).values_list("pk", flat=True))
    dropped: list[Dropped] = []
    for start in range(0, len(keys), BATCH):
        dropped += aliases.drop_targets_elsewhere(domain, keys[start : start + BATCH], by=by)
    owner = caps.reseller_of(domain)
    kept = {
        "folder_path": domain.area.path,
        "domain_aliases": list(domain.aliases.values_list("name", flat=True)),
        "aliases": [asdict(one) for one in dropped],
    }
    item = _keep(
        Recycled.Kind.DOMAIN, domain.pk, str(domain), domain, kept,
        by=by, now=now, days=DELETION.load().recycle_days,
    )  # fmt: skip
    User.objects.filter(domain=domain).update(recycled=item.pk)
    domain_services.recycle(domain=domain, item_id=item.pk, by=by)
    if owner is not None:
        DomainOwnership.objects.filter(domain=domain).delete()
    for key in keys:
        publish_on_commit(Topic.SESSION, key)
    return item


def restore(*, item: Recycled, by: Actor | None) -> tuple[str, ...]:
    """Bring it back with all that it had; the answer has a sentence for each thing that could not.

    Raises RecycledUnknown, LocalPartTaken, NameTaken, LimitReached, ServerFull, PortClaimed,
    FolderRefused, DomainRecycled: then nothing was restored.
    """
    if item.kind == Recycled.Kind.DOMAIN:
        return _restore_domain(item, by)
    return _restore_user(item, by)


@tried_again
@transaction.atomic
def _restore_user(item: Recycled, by: Actor | None) -> tuple[str, ...]:
    domain = Domain.objects.filter(pk=item.domain_id).first()
    if domain is None:
        raise DomainRecycled
    domain, reseller, plan = caps.lock_with_plan(domain)
    item = _locked(item)
    user = User.everything.select_related("domain").get(pk=item.object_id)
    caps.require_users(domain, reseller, plan, adding=1)
    localparts.require_free(domain, [user.local_part])
    localparts.take(domain, localparts.Kind.USER, {user.local_part: user.pk})
    user.recycled = None
    user.save(update_fields=["recycled"])
    aliastargets.point_at_accounts(domain, {user.local_part: user.pk})
    item.delete()
    rows.finish(user, "restored user", {}, by)
    aliases.put_back(_dropped(item), by=by)
    if item.kept.get("was_primary"):
        administrators.appoint(user=user, by=by)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return ()


@tried_again
@transaction.atomic
def _restore_domain(item: Recycled, by: Actor | None) -> tuple[str, ...]:
    problems = []
    reseller = User.objects.filter(pk=item.reseller_id or 0, role=Role.RESELLER).first()
    plan = caps.lock_plan(reseller)
    item = _locked(item)
    if item.reseller_id is not None and reseller is None:
        problems.append("Its reseller does not exist any more: it is the provider's own now.")
    domain = Domain.everything.get(pk=item.object_id)
    users = User.everything.filter(domain=domain, recycled=item.pk)
    caps.require_domain_room(reseller, plan)
    caps.require_user_room(reseller, plan, adding=users.count())
    caps.require_server_room(domains=1, users=users.count())
    path = item.kept["folder_path"]
    domain = domain_services.restore(domain=domain, folder_path=path, by=by)
    if reseller is not None:
        DomainOwnership.objects.create(domain=domain, reseller=reseller)
    users.update(recycled=None)
    item.delete()
    for name in item.kept["domain_aliases"]:
        try:
            domain_services.add_alias(domain=domain, name=name, by=by)
        except (NameTaken, LimitReached) as error:
            problems.append(f"The domain alias {name} did not come back: {error}.")
    aliases.put_back(_dropped(item), by=by)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return tuple(problems)


@tried_again
@transaction.atomic
def purge(*, item: Recycled, by: Actor | None) -> None:
    """Remove it for good, with its mail. Raises RecycledUnknown."""
    item = _locked(item)
    if item.kind == Recycled.Kind.DOMAIN:
        _purge_domain(domain_selectors.locked_recycled(item.object_id), by)
    elif (user := User.everything.filter(pk=item.object_id).first()) is not None:
        closing.give_up([user.pk])
        audit.record(by, "purged user", user)
        user.delete()
    item.delete()


def _purge_domain(domain: Domain, by: Actor | None) -> None:
    accounts = list(User.everything.filter(domain=domain).values_list("pk", flat=True))
    for start in range(0, len(accounts), BATCH):
        closing.give_up(accounts[start : start + BATCH])
    LocalPart.objects.filter(domain=domain).delete()
    UserAlias.objects.filter(domain=domain).delete()
    User.everything.filter(domain=domain).delete()
    Recycled.objects.filter(kind=Recycled.Kind.USER, domain_id=domain.pk).delete()
    domain_services.purge(domain=domain, by=by)


def purge_due(*, now: datetime) -> int:
    """What has lain in the bin for its time; how many."""
    purged = 0
    while (item := Recycled.objects.filter(purge_at__lte=now).order_by("pk").first()) is not None:
        with suppress(RecycledUnknown):  # another process was faster
            purge(item=item, by=None)
            purged += 1
    return purged


def recycled_for(actor: User | None) -> models.QuerySet[Recycled]:
    """None and system administrators: all; resellers: their domains, and users of these; domain
    administrators: users of their domain.
    """
    items = Recycled.objects.all()
    if actor is None or actor.role == Role.SYSTEM_ADMINISTRATOR:
        return items
    users = models.Q(kind=Recycled.Kind.USER, domain_id__in=domains_for(actor).values("pk"))
    if actor.role == Role.RESELLER:
        return items.filter(users | models.Q(reseller_id=actor.pk, kind=Recycled.Kind.DOMAIN))
    return items.filter(users)


def recycled_item(actor: User | None, item_id: int) -> Recycled:
    """For restoring or purging. Raises RecycledUnknown, NotPermitted."""
    item = recycled_for(actor).filter(pk=item_id).first()
    if item is None:
        raise RecycledUnknown(item_id)
    if actor is not None:
        require_leave(actor, item)
    return item


def require_leave(actor: User, item: Recycled) -> None:
    """Raises NotPermitted: who may restore or purge is who may delete."""
    if item.kind == Recycled.Kind.DOMAIN:
        # Nobody owns it now, so the role alone says it: it is in sight already.
        if actor.role not in (Role.SYSTEM_ADMINISTRATOR, Role.RESELLER) or not actor.is_active:
            raise NotPermitted(Verb.CLOSE_DOMAIN)
        return
    require(actor, Verb.CHANGE_USERS, Domain.objects.filter(pk=item.domain_id).first())


def _keep(
    kind: Recycled.Kind, key: int, name: str, domain: Domain, kept: dict[str, Any],
    *, by: Actor | None, now: datetime, days: int,
) -> Recycled:  # fmt: skip
    owner = caps.reseller_of(domain)
    return Recycled.objects.create(
        kind=kind,
        object_id=key,
        name=name,
        domain_id=domain.pk,
        reseller_id=owner.pk if owner else None,
        deleted_at=now,
        deleted_by=str(by) if by is not None else "server",
        purge_at=now + timedelta(days=days),
        kept=kept,
    )


def _locked(item: Recycled) -> Recycled:
    """Of two who restore the same, one finds nothing. Raises RecycledUnknown."""
    found = Recycled.objects.select_for_update().filter(pk=item.pk).first()
    if found is None:
        raise RecycledUnknown(item.pk)
    return found


def _dropped(item: Recycled) -> list[Dropped]:
    return [Dropped(**one) for one in item.kept["aliases"]]
