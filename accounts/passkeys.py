"""Passkeys as a second factor: what the browser is asked for, and whether its answer is right.

WebAuthn level 2; the arithmetic is `fido2`'s. `state` is to be kept, out of the browser's reach,
from the question to the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts import rows, secondfactor, secrets
from accounts.errors import CodeRefused
from accounts.models import Authenticator, AuthenticatorKind, User
from events.audit import Actor

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """The panel as browsers know it: `host` without port, `origin` with scheme and port."""

    host: str
    origin: str

    def server(self) -> Fido2Server:
        party = PublicKeyCredentialRpEntity(name="MailHost", id=self.host)
        return Fido2Server(party, verify_origin=lambda origin: origin == self.origin)


def has_one(user: User) -> bool:
    return bool(_rows(user).exists())


def ask_for_new(user: User, *, site: Site) -> tuple[dict[str, Any], State]:
    """What `navigator.credentials.create` takes, as JSON, and the state."""
    person = PublicKeyCredentialUserEntity(
        # No address: some keep the handle where anybody reads it (WebAuthn §14.6.1).
        id=user.pk.to_bytes(8, "big"),
        name=str(user),
        display_name=user.full_name or str(user),
    )
    options, state = site.server().register_begin(
        person,
        credentials=[key for _, key in _keys(user)],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return dict(options)["publicKey"], dict(state)


@transaction.atomic
def add(
    *,
    user: User,
    name: str,
    site: Site,
    state: State,
    answer: Mapping[str, Any],
    now: datetime,
    by: Actor | None,
) -> Authenticator:
    """Raises CodeRefused, ValuesRefused."""
    found = _complete(site, state, answer)
    key = found.credential_data
    credential_id = websafe_encode(key.credential_id) if key is not None else ""
    is_known = Authenticator.objects.filter(credential_id=credential_id).exists()
    if key is None or is_known:
        raise CodeRefused
    row = Authenticator(
        user=rows.lock(user),
        kind=AuthenticatorKind.PASSKEY,
        credential_id=credential_id,
        secret=secrets.encrypt(secondfactor.PURPOSE, bytes(key)),
        counter=found.counter,
        created_at=now,
    )
    return secondfactor.add(row, name=name, by=by)


def ask_for_proof(user: User, *, site: Site) -> tuple[dict[str, Any], State]:
    """What `navigator.credentials.get` takes, as JSON, and the state."""
    options, state = site.server().authenticate_begin(
        [key for _, key in _keys(user)],
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return dict(options)["publicKey"], dict(state)


@transaction.atomic
def check(
    *, user: User, site: Site, state: State, answer: Mapping[str, Any], now: datetime
) -> Authenticator:
    """One of the user's passkeys has signed. Raises CodeRefused."""
    user = rows.lock(user)
    keys = _keys(user)
    try:
        used = site.server().authenticate_complete(state, [key for _, key in keys], answer)
        counter = AuthenticationResponse.from_dict(answer).response.authenticator_data.counter
    except Exception as error:
        raise CodeRefused from error
    row = next(row for row, key in keys if key.credential_id == used.credential_id)
    # WebAuthn §6.1.1: a count that does not grow is that of a copy; some never count.
    if counter <= row.counter and (counter or row.counter):
        raise CodeRefused
    row.counter, row.last_used_at = counter, now
    row.save(update_fields=["counter", "last_used_at"])
    return row


def _complete(site: Site, state: State, answer: Mapping[str, Any]) -> AuthenticatorData:
    try:
        return site.server().register_complete(state, answer)
    except Exception as error:
        raise CodeRefused from error


def _keys(user: User) -> list[tuple[Authenticator, AttestedCredentialData]]:
    found = []
    for row in _rows(user):
        try:
            octets = secrets.decrypt(secondfactor.PURPOSE, bytes(row.secret))
        except secrets.Undecipherable:
            continue
        found.append((row, AttestedCredentialData(octets)))
    return found


def _rows(user: User) -> Any:
    return Authenticator.objects.filter(user=user, kind=AuthenticatorKind.PASSKEY).order_by("pk")
