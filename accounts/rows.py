"""How every change of one user begins and ends: the locked row; then version, record and note."""

from __future__ import annotations

from django.db import models

from accounts.errors import UserUnknown
from accounts.models import User
from domains import selectors as domain_selectors
from domains.errors import ChangedMeanwhile
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


def lock(user: User, expected_version: int | None = None) -> User:
    """The user's row, locked for the transaction after that of the domain.

    Rules such as "one enabled administrator" look at several users, so changes of one domain's
    users queue. Raises ChangedMeanwhile; DomainUnknown and UserUnknown for what has been deleted
    since it was looked up.
    """
    if user.domain_id is not None:
        domain_selectors.locked(user.domain_id)
    query = User.objects.select_related("domain").select_for_update(of=("self",), no_key=True)
    locked = query.filter(pk=user.pk).first()
    if locked is None:
        raise UserUnknown(str(user))
    if expected_version is not None and locked.version != expected_version:
        raise ChangedMeanwhile(expected_version, locked.version)
    return locked


def finish(user: User, verb: str, changes: audit.Changes, by: Actor | None) -> None:
    User.objects.filter(pk=user.pk).update(version=models.F("version") + 1)
    user.version += 1
    audit.record(by, verb, user, changes)
    payload = user.domain_id.to_bytes(8, "big") if user.domain_id else b""
    publish_on_commit(Topic.ACCOUNT, user.pk, payload, durable=True)


def finish_domain(user: User) -> None:
    """Besides: what the domain's addresses lead to may have changed."""
    if user.domain_id is not None:
        publish_on_commit(Topic.DOMAIN, user.domain_id, durable=True)
