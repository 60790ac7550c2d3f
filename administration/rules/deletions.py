"""Undoing a deletion: out of the recycle bin, as long as it lies there."""

from __future__ import annotations

from accounts import provisioning, recyclebin, services
from accounts.models import Recycled, User
from accounts.permissions import Verb
from administration.errors import CannotUndo
from administration.rules.domains import DOMAIN, domain_of
from administration.rules.table import require, undoes
from administration.rules.users import USER, user_of
from domains.models import Domain
from events.models import AuditEntry


@undoes(USER, "deleted user")
def deleted_user(entry: AuditEntry, by: User | None) -> bool:
    if User.objects.filter(pk=entry.object_id or 0).exists():
        return False
    return _restore(Recycled.Kind.USER, entry, by)


@undoes(DOMAIN, "deleted domain")
def deleted_domain(entry: AuditEntry, by: User | None) -> bool:
    if Domain.objects.filter(pk=entry.object_id or 0).exists():
        return False
    return _restore(Recycled.Kind.DOMAIN, entry, by)


@undoes(DOMAIN, "began to delete domain")
def began(entry: AuditEntry, by: User | None) -> bool:
    """The deletion itself, which follows, is what is undone."""
    return False


@undoes(USER, "restored user")
def restored_user(entry: AuditEntry, by: User | None) -> bool:
    user = user_of(entry)
    require(by, Verb.CHANGE_USERS, user.domain)
    services.delete_user(user=user, by=by)
    return True


@undoes(DOMAIN, "restored domain")
def restored_domain(entry: AuditEntry, by: User | None) -> bool:
    domain = domain_of(entry)
    require(by, Verb.CLOSE_DOMAIN, domain)
    provisioning.close_domain(domain=domain, by=by)
    return True


def _restore(kind: Recycled.Kind, entry: AuditEntry, by: User | None) -> bool:
    found = Recycled.objects.filter(kind=kind, object_id=entry.object_id or 0).first()
    if found is None:
        raise CannotUndo("it does not lie in the recycle bin any more")
    recyclebin.restore(item=recyclebin.recycled_item(by, found.pk), by=by)
    return True
