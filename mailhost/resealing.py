"""Everything that is encrypted with the server key, and encrypting it anew with the present one.

Each place is looked through in batches by rising key. A value is replaced only where it still is
what was read, so nothing that the running server writes meanwhile is lost; and what is done
already is passed over, so all of it may be ended at any moment and begun again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import models, transaction

from accounts import secrets, userimport
from accounts.models import User
from accounts.secrets import SealedField, Undecipherable
from blobs.contention import tried_again
from jobs.models import Job
from panel.forms import wizard

BATCH = 200

# Of values that are text in something larger, the purposes that they may have.
TEXT_PURPOSES = (userimport.PURPOSE, wizard.PURPOSE)
# The arguments of jobs in which such a text stands.
JOB_ARGUMENT = "sealed"

Change = tuple[Any, Any, Any]  # the row's key, the old value, the new one


@dataclass(slots=True)
class Count:
    """`unreadable`: values that no key of this server opens; they stay as they are."""

    resealed: int = 0
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """One column. `renew` gives the new value; None: it is as it should be."""

    model: type[models.Model]
    column: str
    renew: Callable[[Any], Any]
    rows: dict[str, Any] = field(default_factory=dict)  # which of them have one at all

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.column}"

    def reseal(self) -> Count:
        """Once through all rows."""
        count, last = Count(), None
        # The rows of the recycle bin, too.
        found = self.model._base_manager.filter(**self.rows).order_by("pk")
        while True:
            batch = found if last is None else found.filter(pk__gt=last)
            rows = list(batch.values_list("pk", self.column)[:BATCH])
            if not rows:
                return count
            last = rows[-1][0]
            count.resealed += self._replace(list(self._changes(rows, count)))

    def _changes(self, rows: list[tuple[Any, Any]], count: Count) -> Iterator[Change]:
        for key, old in rows:
            try:
                new = self.renew(old)
            except Undecipherable:
                count.unreadable.append(f"{self} of {key}")
                continue
            if new is not None:
                yield key, old, new

    def _replace(self, changes: list[Change]) -> int:
        if not changes:
            return 0
        return self._write(changes)

    @tried_again
    @transaction.atomic
    def _write(self, changes: list[Change]) -> int:
        manager = self.model._base_manager
        return sum(
            manager.filter(**{"pk": key, self.column: old}).update(**{self.column: new})
            for key, old, new in changes
        )


def places() -> list[Place]:
    """Whatever column of whatever app is a SealedField, and the texts that are in others."""
    found = [
        Place(model, one.attname, _renewing(one.purpose))
        for model in apps.get_models()
        if not model._meta.proxy
        for one in model._meta.local_fields
        if isinstance(one, SealedField)
    ]
    found.append(Place(Job, "arguments", _renew_texts, {"arguments__has_key": JOB_ARGUMENT}))
    found.append(Place(Session, "session_data", _renew_session))
    return found


def _renewing(purpose: str) -> Callable[[Any], bytes | None]:
    def renew(sealed: Any) -> bytes | None:
        old = bytes(sealed or b"")
        if not old or secrets.is_present(old):
            return None
        return secrets.encrypt(purpose, secrets.decrypt(purpose, old))

    return renew


def _renew_texts(value: Any) -> Any:
    """Any structure that JSON can hold, with its encrypted texts renewed; None: none had to be."""
    if isinstance(value, dict):
        parts = {key: _renew_texts(one) for key, one in value.items()}
        fresh = {key: one for key, one in parts.items() if one is not None}
        return {**value, **fresh} if fresh else None
    if isinstance(value, list):
        renewed = [_renew_texts(one) for one in value]
        if all(one is None for one in renewed):
            return None
        return [old if new is None else new for old, new in zip(value, renewed, strict=True)]
    return _renew_text(value) if isinstance(value, str) else None


def _renew_text(text: str) -> str | None:
    try:
        sealed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if secrets.is_present(sealed):
        return None
    for purpose in TEXT_PURPOSES:
        try:
            secret = secrets.decrypt(purpose, sealed)
        except Undecipherable:
            continue
        return base64.b64encode(secrets.encrypt(purpose, secret)).decode()
    return None  # another text, which only looks like one


def _renew_session(packed: str) -> str | None:
    """Who is logged in stays so: sessions are signed, and tell what the password was."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    try:
        content = signing.loads(packed, salt=store.key_salt, serializer=store.serializer)
    except signing.BadSignature:
        return None  # it has been worthless before
    renewed = _renew_texts(content) or content
    is_same = renewed is content and _is_signed_now(packed, store)
    if not is_same:
        _renew_password_hash(renewed)
    return None if is_same else str(store.encode(renewed))


def _is_signed_now(packed: str, store: Any) -> bool:
    signer = signing.TimestampSigner(key=settings.SECRET_KEY, salt=store.key_salt, fallback_keys=[])
    try:
        signer.unsign(packed)
    except signing.BadSignature:
        return False
    return True


def _renew_password_hash(content: dict[str, Any]) -> None:
    user = User.everything.filter(pk=content.get(SESSION_KEY, 0)).first()
    given = str(content.get(HASH_SESSION_KEY, ""))
    if user is not None and given in user.get_session_auth_fallback_hash():
        content[HASH_SESSION_KEY] = user.get_session_auth_hash()
