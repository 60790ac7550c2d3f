"""Who sees which retrieval accounts: the user his own, and who administers him."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts import permissions, selectors
from accounts.errors import UserUnknown
from accounts.models import Role, User
from accounts.permissions import Verb
from retrieval.errors import RetrievalUnknown
from retrieval.models import RetrievalAccount


def accounts_for(actor: User) -> QuerySet[RetrievalAccount]:
    """System administrators: all; others: of the users in sight, users their own."""
    rows = RetrievalAccount.objects.select_related("user__domain").order_by("id")
    if not actor.is_active:
        return rows.none()
    if actor.role == Role.USER:
        return rows.filter(user_id=actor.pk)
    return rows.filter(user__in=selectors.users_for(actor).values("pk"))


def account_for(actor: User, number: int) -> RetrievalAccount:
    """Raises RetrievalUnknown."""
    row = accounts_for(actor).filter(pk=number).first()
    if row is None:
        raise RetrievalUnknown(number)
    return row


def owner_for(actor: User, address: str) -> User:
    """The user of an address, to whom the actor may give accounts. Empty: the actor himself.

    Raises UserUnknown for whom he cannot see, or himself without a mailbox; NotPermitted.
    """
    if not address:
        if actor.domain is None:
            raise UserUnknown(str(actor))
        return actor
    if actor.role == Role.USER:
        own = f"{actor.local_part}@{actor.domain.name}" if actor.domain else ""
        if address.lower() != own.lower():
            raise UserUnknown(address)
        return actor
    return selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)


def require_leave(actor: User, owner: User) -> None:
    """Raises NotPermitted unless he is the user himself, or administers him."""
    if actor.pk == owner.pk and owner.domain_id is not None and actor.is_active:
        return
    permissions.require(actor, Verb.CHANGE_USERS, owner.domain)
