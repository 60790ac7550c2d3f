"""Who of ours somebody is whom a log-in provider knows: bound once, then by its subject alone.

An address may be given to somebody else at the provider; a subject never is (OpenID Connect
Core §5.7). So an address that the provider has verified only finds a user who has no link yet.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import IntegrityError, transaction

from accounts import authentication, directory, rows, watching
from accounts.errors import IdentityTaken, IdentityUnknown, WrongCredentials
from accounts.models import LinkedIdentity, User
from events import audit
from events.audit import Actor
from protocols.openid import Identity

log = structlog.get_logger(__name__)

SERVICE = "web"


def enter(identity: Identity, *, client_address: str, now: datetime) -> User:
    """The user, who may come in by the same rules as with his password. Raises IdentityUnknown."""
    if watching.is_barred(SERVICE, client_address):
        raise IdentityUnknown
    link = _link(identity)
    user = link.user if link is not None else _by_address(identity)
    if user is None:
        # No account is counted for it: nobody's log-in gets slower by a stranger's provider.
        watching.tell_of_failure("", SERVICE, client_address)
        log.info("log-in refused", client_address=client_address, reason="no such identity")
        raise IdentityUnknown
    try:
        authentication.admit_to_web(user, client_address=client_address, now=now)
    except WrongCredentials:
        raise IdentityUnknown from None
    if link is None:
        try:
            with audit.acting(client_address=client_address):
                link = connect(user=user, identity=identity, by=user, now=now)
        except IdentityTaken:
            raise IdentityUnknown from None
    LinkedIdentity.objects.filter(pk=link.pk).update(used_at=now)
    return user


@transaction.atomic
def connect(*, user: User, identity: Identity, by: Actor | None, now: datetime) -> LinkedIdentity:
    """From now on the subject is the user. Raises IdentityTaken."""
    user = rows.lock(user)
    found = _link(identity)
    if found is not None and found.user_id == user.pk:
        return found
    mine = LinkedIdentity.objects.filter(user=user, issuer=identity.issuer)
    if found is not None or mine.exists():
        raise IdentityTaken(identity.issuer)
    try:
        with transaction.atomic():
            row = LinkedIdentity.objects.create(
                user=user,
                issuer=identity.issuer,
                subject=identity.subject,
                address=identity.address,
                linked_at=now,
            )
    except IntegrityError:
        raise IdentityTaken(identity.issuer) from None
    audit.record(by, "linked identity", user, {"identity": (None, str(row))})
    return row


@transaction.atomic
def disconnect(*, link: LinkedIdentity, by: Actor | None) -> None:
    audit.record(by, "unlinked identity", link.user, {"identity": (str(link), None)})
    link.delete()


def of_user(user: User) -> list[LinkedIdentity]:
    return list(LinkedIdentity.objects.filter(user=user).order_by("pk"))


def _link(identity: Identity) -> LinkedIdentity | None:
    rows_ = LinkedIdentity.objects.select_related("user__domain")
    return rows_.filter(issuer=identity.issuer, subject=identity.subject).first()


def _by_address(identity: Identity) -> User | None:
    """None also for a user who is somebody else there."""
    if "@" not in identity.address:
        return None
    account = directory.login(identity.address, local_ip=None)
    if account is None:
        return None
    user = User.objects.select_related("domain").filter(pk=account.account_id).first()
    links = LinkedIdentity.objects.filter(user=user, issuer=identity.issuer)
    return None if user is None or links.exists() else user
