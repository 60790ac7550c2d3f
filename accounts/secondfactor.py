"""The second factor of a person: apps that show codes, recovery codes, and wrong tries (U-015)."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random_secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts import rows, secrets
from accounts.errors import CodeRefused, TooManyTries
from accounts.models import (
    Authenticator,
    AuthenticatorKind,
    RecoveryCode,
    Role,
    SecondFactorFailures,
    User,
)
from accounts.settings import LOGIN
from domains.errors import Problem, ValuesRefused
from domains.values import replace
from events.audit import Actor
from protocols import totp

PURPOSE = "second factor"
RECOVERY_PURPOSE = "recovery codes"
CODES = 10
# Wrong codes before the first wait; then it doubles, up to an hour.
FREE_TRIES = 5
FIRST_WAIT_SECONDS = 30
LONGEST_WAIT_SECONDS = 3600
# For how long a proof counts as fresh, where a step wants one.
FRESH = timedelta(minutes=15)
# No letters that are taken for others (RFC 4648 §6 without its look-alikes).
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def has_one(user: User) -> bool:
    return Authenticator.objects.filter(user=user).exists()


def is_required(user: User) -> bool:
    """Whether the provider wants one of everybody with the user's role (U-001)."""
    wanted = LOGIN.read().second_factor_for_system_administrators
    return bool(wanted) and user.role == Role.SYSTEM_ADMINISTRATOR


def authenticators(user: User) -> Sequence[Authenticator]:
    return list(Authenticator.objects.filter(user=user).order_by("pk"))


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user).count()


def new_secret() -> bytes:
    return random_secrets.token_bytes(totp.SECRET_BYTES)


def address_of(secret: bytes, user: User) -> str:
    return totp.address(secret, issuer=f"MailHost {settings.MAILHOST_HOSTNAME}", account=str(user))


@transaction.atomic
def add_app(
    *, user: User, name: str, secret: bytes, code: str, now: datetime, by: Actor | None
) -> Authenticator:
    """An app that has shown a right code of `secret`. Raises CodeRefused, ValuesRefused."""
    step = totp.matching_step(secret, code, unix_seconds=int(now.timestamp()))
    if step is None:
        raise CodeRefused
    user = rows.lock(user)
    row = Authenticator(user=user, kind=AuthenticatorKind.TOTP, created_at=now, counter=step)
    row.secret = secrets.encrypt(PURPOSE, secret)
    return add(row, name=name, by=by)


def add(row: Authenticator, *, name: str, by: Actor | None) -> Authenticator:
    """Within the transaction that holds the user's row. Raises ValuesRefused."""
    replace(row, {"name": name.strip()}, fields=("name",))
    if Authenticator.objects.filter(user=row.user, name=row.name).exists():
        raise ValuesRefused((Problem("name", "is in use for another of your devices"),))
    row.save(force_insert=True)
    rows.finish(row.user, "added second factor", {"name": (None, row.name)}, by)
    return row


@dataclass(frozen=True, slots=True)
class Device:
    """One from a backup; `secret` in the clear: TOTP's, or a passkey's public part."""

    kind: str
    name: str
    credential_id: str
    secret: bytes
    counter: int
    created_at: datetime
    last_used_at: datetime | None


def device_of(row: Authenticator) -> Device:
    """Raises Undecipherable."""
    return Device(
        row.kind, row.name, row.credential_id, secrets.decrypt(PURPOSE, bytes(row.secret)),
        row.counter, row.created_at, row.last_used_at,
    )  # fmt: skip


@transaction.atomic
def bring(*, user: User, device: Device, by: Actor | None) -> bool:
    """Add what the user had before; False: he has it. Raises ValuesRefused."""
    user = rows.lock(user)
    same = Q(user=user, name=device.name)
    if device.credential_id:
        same |= Q(credential_id=device.credential_id)
    there = Authenticator.objects.filter(same).first()
    if there is not None and there.user_id != user.pk:
        raise ValuesRefused((Problem("passkey", "is another user's, perhaps a deleted one's"),))
    if there is not None:
        return False
    is_passkey = device.kind == AuthenticatorKind.PASSKEY
    if device.kind not in AuthenticatorKind.values or bool(device.credential_id) != is_passkey:
        raise ValuesRefused((Problem("kind", "is none that there is"),))
    row = Authenticator(
        user=user, kind=device.kind, credential_id=device.credential_id,
        secret=secrets.encrypt(PURPOSE, device.secret), counter=device.counter,
        created_at=device.created_at, last_used_at=device.last_used_at,
    )  # fmt: skip
    add(row, name=device.name, by=by)
    return True


@transaction.atomic
def remove(*, authenticator: Authenticator, by: Actor | None) -> None:
    """With the last one the recovery codes go, too: there is nothing to recover."""
    user = rows.lock(authenticator.user)
    name = authenticator.name
    authenticator.delete()
    if not has_one(user):
        RecoveryCode.objects.filter(user=user).delete()
    rows.finish(user, "removed second factor", {"name": (name, None)}, by)


@transaction.atomic
def reset(*, user: User, by: Actor | None) -> None:
    """For whoever lost everything: an administrator takes the second factor away."""
    user = rows.lock(user)
    Authenticator.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    SecondFactorFailures.objects.filter(user=user).delete()
    rows.finish(user, "reset second factor", {}, by)


@transaction.atomic
def make_codes(*, user: User, by: Actor | None) -> list[str]:
    """New recovery codes, told once; the former ones stop to work."""
    user = rows.lock(user)
    RecoveryCode.objects.filter(user=user).delete()
    codes = ["-".join(_word() for _ in range(3)) for _ in range(CODES)]
    key = secrets.derive(RECOVERY_PURPOSE)
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, code_hash=_hash(user, code, key)) for code in codes
    )
    rows.finish(user, "made recovery codes", {}, by)
    return codes


def check_code(*, user: User, code: str, now: datetime) -> None:
    """A code of one of the user's apps, or a recovery code. Raises CodeRefused, TooManyTries."""
    with transaction.atomic():
        user = rows.lock(user)  # two tries at once are two tries, and a code passes once
        require_patience(user, now=now)
        is_right = _fits_app(user, code, now) or _fits_recovery(user, code)
        if is_right:
            SecondFactorFailures.objects.filter(user=user).delete()
        else:
            count_failure(user, now=now)
    if not is_right:
        raise CodeRefused


def require_patience(user: User, *, now: datetime) -> None:
    """Raises TooManyTries while the wait after wrong codes lasts."""
    row = SecondFactorFailures.objects.filter(user=user).first()
    if row is None or row.count < FREE_TRIES:
        return
    doublings = min(row.count - FREE_TRIES, 12)
    wait = min(FIRST_WAIT_SECONDS * 2**doublings, LONGEST_WAIT_SECONDS)
    left = (row.at + timedelta(seconds=wait) - now).total_seconds()
    if left > 0:
        raise TooManyTries(int(left) + 1)


def count_failure(user: User, *, now: datetime) -> None:
    row, _ = SecondFactorFailures.objects.get_or_create(user=user, defaults={"at": now})
    row.count, row.at = row.count + 1, now
    row.save()


def _fits_app(user: User, code: str, now: datetime) -> bool:
    for row in Authenticator.objects.filter(user=user, kind=AuthenticatorKind.TOTP):
        try:
            secret = secrets.decrypt(PURPOSE, bytes(row.secret))
        except secrets.Undecipherable:
            continue
        seconds = int(now.timestamp())
        step = totp.matching_step(secret, code, unix_seconds=seconds, used_step=row.counter)
        if step is not None:
            row.counter, row.last_used_at = step, now
            row.save(update_fields=["counter", "last_used_at"])
            return True
    return False


def _fits_recovery(user: User, code: str) -> bool:
    hashes = [_hash(user, code, key) for key in secrets.derivations(RECOVERY_PURPOSE)]
    deleted, _ = RecoveryCode.objects.filter(user=user, code_hash__in=hashes).delete()
    return bool(deleted)


def _word() -> str:
    return "".join(random_secrets.choice(ALPHABET) for _ in range(4))


def _hash(user: User, code: str, key: bytes) -> str:
    """With a key outside the database: it alone tells nobody the codes."""
    plain = "".join(code.lower().replace("-", "").split())
    octets = f"{user.pk} {plain}".encode("utf-8", "surrogatepass")
    return hmac.new(key, octets, hashlib.sha256).hexdigest()
