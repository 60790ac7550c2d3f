"""The verbs on users: add, change, set a password, delete (U-001…U-023)."""

from __future__ import annotations

import secrets
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import (
    addresslist,
    administrators,
    aliases,
    aliastargets,
    caps,
    closing,
    forwards,
    localparts,
    passwords,
    recyclebin,
    rows,
)
from accounts.errors import LocalPartTaken, NotPermitted, StillOwner
from accounts.models import Role, Status, User
from accounts.passwords import Verifiers
from accounts.permissions import Verb
from blobs.contention import tried_again
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from domains.localparts import read_local_part
from domains.models import Domain
from domains.values import replace
from events import audit
from events.audit import Actor
from protocols.address import Address, MalformedAddress
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

PROFILE_FIELDS = ("full_name", "reply_to", "time_zone", "language")
# Shown in the address list of the domain.
CONTACT_FIELDS = (
    "job_title", "company", "department", "telephone", "mobile", "street", "city", "state",
    "postal_code",
)  # fmt: skip
ACCESS_FIELDS = ("pop_access", "imap_access", "smtp_access", "webmail_access")
FORWARDING_FIELDS = ("forward_to", "keep_forwarded")
THROTTLING_FIELDS = (
    "outgoing_messages_per_hour",
    "outgoing_messages_per_hour_enabled",
    "outgoing_bandwidth_mb_per_hour",
    "outgoing_bandwidth_mb_per_hour_enabled",
    "bounces_received_per_hour",
    "bounces_received_per_hour_enabled",
)
USER_FIELDS = (
    *PROFILE_FIELDS,
    *CONTACT_FIELDS,
    "status",
    "password_locked",
    "must_change_password",
    "mailbox_size_mb",
    "hide_from_address_list",
    addresslist.OWN,
    "disable_greylisting",
    "plus_addressing",
    *FORWARDING_FIELDS,
    *ACCESS_FIELDS,
    *THROTTLING_FIELDS,
)
# People without a mailbox have no more than this.
PERSON_FIELDS = (*PROFILE_FIELDS, "status", "must_change_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A mailbox to be; `verifiers` None: nobody can log in until a password is set.

    `is_primary`: the first administrator of a new domain; later ones are appointed.
    """

    username: str
    verifiers: Verifiers | None = None
    is_administrator: bool = False
    is_primary: bool = False
    values: Values = field(default_factory=dict)


def add_user(
    *,
    domain: Domain,
    username: str,
    by: Actor | None,
    password: str | None = None,
    verifiers: Verifiers | None = None,
    is_administrator: bool = False,
    values: Values | None = None,
    allow_weak: bool = False,
) -> User:
    """One mailbox. Raises what `add_users` does, and PasswordRefused."""
    if password is not None:
        verifiers = new_verifiers(password, username, allow_weak=allow_weak)
    new = NewUser(
        username=username,
        verifiers=verifiers,
        is_administrator=is_administrator,
        values=values or {},
    )
    return add_users(domain=domain, users=[new], by=by)[0]


@transaction.atomic
def add_users(*, domain: Domain, users: Sequence[NewUser], by: Actor | None) -> list[User]:
    """Many mailboxes in a few statements; all or none.

    Raises LocalPartMalformed, LocalPartTaken, LimitReached, ServerFull, ValuesRefused,
    ForwardingRefused.
    """
    domain, reseller, plan = caps.lock_with_plan(domain)
    caps.require_users(domain, reseller, plan, adding=len(users))
    added = [_new_row(domain, new) for new in users]
    names = [user.local_part for user in added]
    localparts.require_free(domain, names)
    try:
        with transaction.atomic():
            User.objects.bulk_create(added)
    except IntegrityError:
        raise LocalPartTaken(", ".join(names)) from None
    owners = {user.local_part: user.pk for user in added}
    localparts.take(domain, localparts.Kind.USER, owners)
    aliastargets.point_at_accounts(domain, owners)
    audit.record_all(by, "added user", ((user, {"role": (None, user.role)}) for user in added))
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return added


@transaction.atomic
def change_user(
    *, user: User, values: Values, by: Actor | None, expected_version: int | None = None
) -> User:
    """Set the given values; the others stay.

    Raises ValuesRefused, LastAdministrator, ChangedMeanwhile, and ForwardingRefused.
    """
    user = rows.lock(user, expected_version)
    fields = USER_FIELDS if user.domain_id else PERSON_FIELDS
    changes = replace(user, forwards.normal(user, values), fields=fields)
    _check_profile(user, changes)
    if changes.get("status", (None,))[0] == Status.ENABLED:
        administrators.require_another(user)
    if changes:
        user.save(update_fields=list(changes))
        rows.finish(user, "changed user", changes, by)
    return user


def change_own(*, user: User, values: Values) -> User:
    """The same by the user himself, who knows his own profile and no more.

    Raises FeatureOff, too, for a wish that the domain does not heed (D-057).
    """
    addresslist.require_choice(user, values)
    return change_user(user=user, values=values, by=user)


def verbs_to_change(values: Values) -> frozenset[Verb]:
    """What a door requires of its caller before `change_user` with these values (OQ-26).

    What an hour allows a user is set from above the domain, as the domain's own limits are.
    """
    verbs = {Verb.CHANGE_USERS}
    if not values.keys().isdisjoint(THROTTLING_FIELDS):
        verbs.add(Verb.CHANGE_USER_THROTTLING)
    if not values.keys().isdisjoint(ACCESS_FIELDS):
        verbs.add(Verb.CHANGE_SERVICE_ACCESS)
    return frozenset(verbs)


def check(values: Values) -> None:
    """Raises ValuesRefused as `add_user` and `change_user` would, and changes nothing."""
    user = User()
    _check_profile(user, replace(user, values, fields=USER_FIELDS))


def set_password(*, user: User, password: str, by: Actor | None, allow_weak: bool = False) -> User:
    """Replace every verifier; log-ins with the old password end. Raises PasswordRefused."""
    verifiers = new_verifiers(password, user.local_part, allow_weak=allow_weak)
    return set_verifiers(user=user, verifiers=verifiers, by=by)


@transaction.atomic
def set_verifiers(*, user: User, verifiers: Verifiers, by: Actor | None) -> User:
    """The same for a hash that was made elsewhere. Raises NotPermitted."""
    user = rows.lock(user)
    if isinstance(by, User) and by.is_impersonated and by.pk == user.pk:
        # U-061: whoever is logged in as another never changes the other's own password.
        raise NotPermitted("change_own_password")
    _set_columns(user, verifiers)
    user.save(update_fields=[*verifiers.columns(), "password_changed_at"])
    rows.finish(user, "set password", {"password": (True, True)}, by)
    # Who sets his own goes on with the session in which he does it.
    if by is None or by.pk != user.pk:
        publish_on_commit(Topic.SESSION, user.pk)
    return user


@tried_again
@transaction.atomic
def delete_user(*, user: User, by: Actor | None) -> None:
    """The mailbox goes, with its mail and the aliases that lead nowhere else (U-010).

    It lies in the recycle bin for some days; its name is free at once. Raises LastAdministrator.
    """
    user = rows.lock(user)
    domain = user.domain
    if domain is None:
        _delete_person(user, by)
        return
    administrators.require_another(user)
    dropped = aliases.drop_targets(domain, [user.local_part], accounts=[user.pk], by=by)
    localparts.free(localparts.Kind.USER, [user.pk])
    key, was_primary = user.pk, user.is_primary_administrator
    audit.record(by, "deleted user", user)
    if not recyclebin.keep_user(user, dropped, by=by, now=utc_now()):
        closing.give_up([user.pk])
        user.delete()
    if was_primary:
        administrators.appoint_another(domain, by=by)
    publish_on_commit(Topic.ACCOUNT, key, domain.pk.to_bytes(8, "big"), durable=True)
    publish_on_commit(Topic.SESSION, key)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


def _delete_person(user: User, by: Actor | None) -> None:
    """Raises StillOwner."""
    if user.owned.exists():
        raise StillOwner(str(user))
    key = user.pk
    audit.record(by, "deleted user", user)
    user.delete()
    publish_on_commit(Topic.ACCOUNT, key, durable=True)


@transaction.atomic
def add_person(
    *,
    username: str,
    role: Role,
    by: Actor | None,
    verifiers: Verifiers | None = None,
    values: Values | None = None,
) -> User:
    """A system administrator or a reseller: somebody without mailbox and domain (U-001, U-004).

    Raises LocalPartMalformed, LocalPartTaken, ValuesRefused.
    """
    if role not in (Role.SYSTEM_ADMINISTRATOR, Role.RESELLER):
        raise ValueError(f"a {role.label} has a domain")
    user = User(local_part=read_local_part(username), role=role, created_at=utc_now())
    _check_profile(user, replace(user, values or {}, fields=PERSON_FIELDS))
    _set_columns(user, verifiers)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise LocalPartTaken(user.local_part) from None
    rows.finish(user, f"added {role.label.lower()}", {"role": (None, role)}, by)
    return user


def create_system_administrator(
    username: str,
    password: str | None = None,
    *,
    by: Actor | None = None,
    allow_weak: bool = False,
) -> tuple[User, str]:
    """The account and its password, which is made here if none is given (U-001)."""
    password = password if password is not None else secrets.token_urlsafe(12)
    verifiers = new_verifiers(password, username, allow_weak=allow_weak)
    role = Role.SYSTEM_ADMINISTRATOR
    return add_person(username=username, role=role, by=by, verifiers=verifiers), password


def new_verifiers(password: str, username: str, *, allow_weak: bool = False) -> Verifiers:
    """What to keep of a new password. Slow: before the transaction. Raises PasswordRefused."""
    if allow_weak:
        passwords.require_usable(password)
    else:
        passwords.require_strong(password, names={"user name": username})
    return passwords.derive(password)


def _new_row(domain: Domain, new: NewUser) -> User:
    is_administrator = new.is_administrator or new.is_primary
    user = User(
        domain=domain,
        local_part=read_local_part(new.username),
        role=Role.DOMAIN_ADMINISTRATOR if is_administrator else Role.USER,
        is_primary_administrator=new.is_primary,
        created_at=utc_now(),
    )
    values = forwards.normal(user, new.values)
    _check_profile(user, replace(user, values, fields=USER_FIELDS))
    _set_columns(user, new.verifiers)
    return user


def _set_columns(user: User, verifiers: Verifiers | None) -> None:
    for name, value in (verifiers or passwords.no_password()).columns().items():
        setattr(user, name, value)
    if verifiers is not None:
        user.password_changed_at = utc_now()


def _check_profile(user: User, changes: Mapping[str, Any]) -> None:
    problems = []
    if "reply_to" in changes and user.reply_to:
        try:
            Address.parse(user.reply_to)
        except MalformedAddress as error:
            problems.append(Problem("reply_to", error.reason))
    if "time_zone" in changes and not _is_time_zone(user.time_zone):
        problems.append(Problem("time_zone", "there is no such time zone"))
    if "language" in changes and user.language not in dict(settings.LANGUAGES):
        problems.append(Problem("language", "there is no such language"))
    if problems:
        raise ValuesRefused(tuple(problems))


def _is_time_zone(name: str) -> bool:
    if name == "UTC":
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
