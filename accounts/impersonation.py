"""Logging in as another, to see what he sees: who may, for how long, and what is kept of it.

A token that lives a minute opens one window, which then has a cookie of its own: the session of
whoever impersonates stays as it is (U-060, U-061). The subject's password plays no part, and
his last activity does not change.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from accounts import administrators, permissions, selectors
from accounts.errors import ImpersonationOver, NotPermitted, ReasonMissing, UserUnknown
from accounts.models import Impersonation, Role, User
from accounts.permissions import Verb
from accounts.settings import LOGIN
from domains.models import Domain
from domains.values import replace
from events import audit

TOKEN_LIFE = timedelta(seconds=60)
IDLE = timedelta(minutes=30)
# Pages are not all written down: the idle time counts from the last that was.
SEEN_INTERVAL = timedelta(minutes=1)


def subjects_for(actor: User) -> QuerySet[User]:
    """Whom the actor may log in as: people with a mailbox, never himself (U-061)."""
    rows = User.objects.select_related("domain").filter(domain__is_deleting=False)
    rows = rows.exclude(pk=actor.pk)
    if not actor.is_active or Verb.IMPERSONATE not in permissions.VERBS[actor.role]:
        return rows.none()
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    if actor.role == Role.DOMAIN_ADMINISTRATOR:
        if not LOGIN.read().administrators_may_impersonate:
            return rows.none()
        rows = rows.filter(role=Role.USER)
    return rows.filter(domain__in=selectors.domains_for(actor))


def subject_for(actor: User, address: str) -> User:
    """Raises UserUnknown, NotPermitted."""
    user = selectors.user_for(actor, address, verb=Verb.IMPERSONATE)
    found = subjects_for(actor).filter(pk=user.pk).first()
    if found is None:
        raise NotPermitted(Verb.IMPERSONATE)
    return found


def administrator_for(actor: User, name: str) -> User:
    """Whom one logs in as to work on a domain: its primary administrator (U-060).

    Raises DomainUnknown, NotPermitted, UserUnknown.
    """
    domain: Domain = selectors.domain_for(actor, name, verb=Verb.IMPERSONATE)
    primary = administrators.primary(domain)
    if primary is None:
        raise UserUnknown(f"administrator of {domain}")
    return subject_for(actor, str(primary))


def start(
    *,
    actor: User,
    subject: User,
    now: datetime,
    reason: str = "",
    is_read_only: bool = False,
    client_address: str = "",
) -> tuple[Impersonation, str]:
    """The window to be and the token that opens it.

    Raises NotPermitted, ReasonMissing, ValuesRefused.
    """
    if not subjects_for(actor).filter(pk=subject.pk).exists():
        raise NotPermitted(Verb.IMPERSONATE)
    if LOGIN.read().impersonation_needs_reason and not reason.strip():
        raise ReasonMissing
    token = secrets.token_urlsafe(24)
    row = Impersonation(
        slot=secrets.token_hex(8),
        token_hash=_hash(token),
        by=actor,
        subject=subject,
        is_read_only=is_read_only,
        client_address=client_address,
        started_at=now,
        seen_at=now,
    )
    replace(row, {"reason": reason.strip()}, fields=("reason",))
    row.save(force_insert=True)
    return row, token


def enter(*, slot: str, token: str, actor: User, now: datetime) -> tuple[Impersonation, str]:
    """The window opens, once, for whoever asked for it; with the value of its cookie.

    Raises ImpersonationOver.
    """
    with transaction.atomic():
        row = Impersonation.objects.select_for_update().filter(slot=slot, ended_at=None).first()
        if (
            row is None
            or row.entered_at is not None
            or row.by_id != actor.pk
            or now - row.started_at > TOKEN_LIFE
            or not hmac.compare_digest(row.token_hash, _hash(token))
        ):
            raise ImpersonationOver
        row = _people().get(pk=row.pk)
        cookie = secrets.token_urlsafe(32)
        row.cookie_hash, row.token_hash = _hash(cookie), ""
        row.entered_at = row.seen_at = now
        row.save(update_fields=["cookie_hash", "token_hash", "entered_at", "seen_at"])
        facts = {"is_read_only": (None, row.is_read_only)}
        with audit.because(row.reason):
            audit.record(row.by, "began impersonation", row.subject, facts)
    return row, cookie


def find(slot: str, cookie: str, *, now: datetime) -> Impersonation | None:
    """The impersonation of a window, as long as it lasts: asked with every page."""
    row = _people().filter(slot=slot, ended_at=None).first()
    if row is None or not row.cookie_hash:
        return None
    if not hmac.compare_digest(row.cookie_hash, _hash(cookie)):
        return None
    if now - row.seen_at > IDLE:
        end(impersonation=row, now=row.seen_at + IDLE, because="idle")
        return None
    # What was permitted at first may have been withdrawn, or somebody changed his role.
    if not subjects_for(row.by).filter(pk=row.subject_id).exists():
        end(impersonation=row, now=now, because="no longer permitted")
        return None
    if now - row.seen_at >= SEEN_INTERVAL:
        row.seen_at = now
        row.save(update_fields=["seen_at"])
    row.subject.is_impersonated = True
    return row


@transaction.atomic
def end(*, impersonation: Impersonation, now: datetime, because: str = "") -> None:
    """Close the window; nothing happens if it is closed already."""
    rows = Impersonation.objects.filter(pk=impersonation.pk, ended_at=None)
    if rows.update(ended_at=now) and impersonation.entered_at is not None:
        facts = {"because": (None, because)} if because else {}
        with audit.acting(client_address=impersonation.client_address):
            audit.record(impersonation.by, "ended impersonation", impersonation.subject, facts)


def end_all(*, actor: User, now: datetime, because: str) -> None:
    """When the actor logs out, none of his windows stays."""
    for row in _open().filter(by=actor):
        end(impersonation=row, now=now, because=because)


def current(*, now: datetime) -> list[Impersonation]:
    """Those under way, oldest first; what has been idle for too long ends now."""
    for row in _open().filter(seen_at__lt=now - IDLE):
        end(impersonation=row, now=row.seen_at + IDLE, because="idle")
    return list(_open().filter(entered_at__isnull=False).order_by("pk"))


def visible_to(actor: User, *, now: datetime) -> list[Impersonation]:
    """Those under way of users in the actor's sight, and his own: for Online Users (M-020)."""
    rows = current(now=now)
    if actor.role == Role.SYSTEM_ADMINISTRATOR or not rows:
        return rows
    subjects = selectors.users_for(actor).filter(pk__in=[row.subject_id for row in rows])
    known = set(subjects.values_list("pk", flat=True))
    return [row for row in rows if row.by_id == actor.pk or row.subject_id in known]


def may_end(actor: User, row: Impersonation) -> bool:
    """His own window, and a system administrator anybody's."""
    return row.by_id == actor.pk or actor.role == Role.SYSTEM_ADMINISTRATOR


def end_for(actor: User, number: int, *, now: datetime) -> Impersonation:
    """End the window from outside. Raises ImpersonationOver, NotPermitted."""
    row = next((row for row in visible_to(actor, now=now) if row.pk == number), None)
    if row is None:
        raise ImpersonationOver
    if not may_end(actor, row):
        raise NotPermitted(Verb.IMPERSONATE)
    end(impersonation=row, now=now, because=f"ended by {actor} from the online users")
    return row


def _open() -> QuerySet[Impersonation]:
    return _people().filter(ended_at=None)


def _people() -> QuerySet[Impersonation]:
    return Impersonation.objects.select_related("by__domain", "subject__domain")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
