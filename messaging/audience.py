"""Who gets a mail or a reminder: enabled mailboxes of enabled domains, each once (B-004…B-009)."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts import selectors
from accounts.errors import UserUnknown
from accounts.models import Role, Status, User
from domains.errors import DomainUnknown, Problem, ValuesRefused
from messaging.models import Audience


def users(actor: User | None, audience: str, of: str) -> QuerySet[User]:
    """Within the actor's sight, by key. `of` is the domain or the address, as `normal` made it."""
    rows = User.objects.filter(domain__isnull=False).select_related("domain")
    if actor is not None:
        rows = rows.filter(domain__in=selectors.domains_for(actor))
    rows = rows.exclude(status=Status.DISABLED).filter(
        domain__is_disabled=False, domain__is_deleting=False
    )
    if audience == Audience.ADMINISTRATORS:
        rows = rows.filter(role=Role.DOMAIN_ADMINISTRATOR)
    elif audience == Audience.DOMAIN:
        rows = rows.filter(domain__name=of)
    elif audience == Audience.USER:
        local_part, _, name = of.rpartition("@")
        rows = rows.filter(domain__name=name, local_part=local_part)
    return rows.order_by("pk")


def normal(actor: User, audience: str, of: str) -> str:
    """The domain's own name or the user's address, as rows have it; else empty.

    Raises ValuesRefused for what is unknown or out of the actor's sight.
    """
    try:
        if audience == Audience.DOMAIN:
            return selectors.domain_for(actor, of.strip()).name
        if audience == Audience.USER:
            user = selectors.user_for(actor, of.strip())
            assert user.domain is not None, "people without a mailbox are out of sight"
            return f"{user.local_part}@{user.domain.name}"
    except DomainUnknown:
        raise ValuesRefused((Problem("domain", "there is no such domain"),)) from None
    except UserUnknown:
        raise ValuesRefused((Problem("address", "there is no such user"),)) from None
    return ""
