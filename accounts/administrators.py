"""The administrators of a domain: there is always one, and one is the primary (D-037…D-042)."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from accounts import rows
from accounts.errors import LastAdministrator
from accounts.models import Role, Status, User
from domains.models import Domain
from events.audit import Actor


@transaction.atomic
def grant(*, user: User, by: Actor | None) -> User:
    """Make a mailbox user an administrator of his domain (U-002)."""
    user = rows.lock(user)
    if user.role == Role.USER:
        _set_role(user, Role.DOMAIN_ADMINISTRATOR, by)
    return user


@transaction.atomic
def revoke(*, user: User, by: Actor | None) -> User:
    """Make an administrator an ordinary user. Raises LastAdministrator."""
    user = rows.lock(user)
    if user.role == Role.DOMAIN_ADMINISTRATOR:
        require_another(user)
        domain, was_primary = user.domain, user.is_primary_administrator
        user.is_primary_administrator = False
        _set_role(user, Role.USER, by)
        if was_primary and domain is not None:
            appoint_another(domain, by=by)
    return user


@transaction.atomic
def appoint(*, user: User, by: Actor | None) -> User:
    """Make a user the primary administrator; the former one stays administrator (D-041)."""
    user = rows.lock(user)
    if user.is_primary_administrator:
        return user
    for former in User.objects.filter(domain=user.domain, is_primary_administrator=True):
        former.is_primary_administrator = False
        former.save(update_fields=["is_primary_administrator"])
        rows.finish(
            former, "changed administrator", {"is_primary_administrator": (True, False)}, by
        )
    role, user.is_primary_administrator = user.role, True
    user.role = Role.DOMAIN_ADMINISTRATOR
    user.save(update_fields=["role", "is_primary_administrator"])
    changes = {"role": (role, user.role), "is_primary_administrator": (False, True)}
    rows.finish(user, "changed administrator", changes, by)
    rows.finish_domain(user)
    return user


def appoint_another(domain: Domain, *, by: Actor | None) -> None:
    """After the primary administrator went: the enabled one of longest standing follows."""
    successor = enabled(domain).order_by("pk").first()
    if successor is not None:
        appoint(user=successor, by=by)


def require_another(user: User) -> None:
    """Raises LastAdministrator if the domain has no enabled administrator besides `user`.

    Only an enabled administrator leaves a gap. The caller holds the domain's row.
    """
    if user.domain is None or user.role != Role.DOMAIN_ADMINISTRATOR:
        return
    others = enabled(user.domain).exclude(pk=user.pk)
    if enabled(user.domain).filter(pk=user.pk).exists() and not others.exists():
        raise LastAdministrator(str(user))


def enabled(domain: Domain) -> QuerySet[User]:
    return User.objects.filter(domain=domain, role=Role.DOMAIN_ADMINISTRATOR, status=Status.ENABLED)


def primary(domain: Domain) -> User | None:
    return User.objects.filter(domain=domain, is_primary_administrator=True).first()


def _set_role(user: User, role: Role, by: Actor | None) -> None:
    old, user.role = user.role, role
    user.save(update_fields=["role", "is_primary_administrator"])
    rows.finish(user, "changed role", {"role": (old, role)}, by)
    rows.finish_domain(user)
