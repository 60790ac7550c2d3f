"""The verbs on signing keys: generate, use once their records are there, retire (F-040)."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts import secrets
from domains import selectors
from domains.errors import Problem, ValuesRefused
from domains.models import Domain, HostedName
from events import audit
from events.audit import Actor
from signing.errors import KeysWaiting, KeyUnknown
from signing.models import Algorithm, SigningKey
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

PURPOSE = "dkim key"
RSA_BITS = 2048
# Mail on its way and in others' queues is still verified with the old record.
RECORD_KEPT_FOR = timedelta(days=14)

_SELECTOR = re.compile(r"mh(\d+)[re]")


def generate(
    *, domain: Domain, by: Actor | None, now: datetime, names: Collection[str] | None = None
) -> list[SigningKey]:
    """New keys for each name of the domain that has none waiting: the first ones, or the next.

    What signs now goes on until the new records are in DNS. `names` None: all of the domain.
    Slow: RSA keys are made before the transaction. Raises KeysWaiting if every name has new ones.
    """
    names = _names(domain) if names is None else names
    waiting = set(_waiting(domain))
    wanted = [name for name in names if name not in waiting]
    if not wanted:
        raise KeysWaiting(domain.name)
    made = [(name, algorithm, *_new_pair(algorithm)) for name in wanted for algorithm in Algorithm]
    with transaction.atomic():
        domain = selectors.locked(domain.pk)
        taken = set(_waiting(domain))
        rows = [
            SigningKey(
                domain=domain,
                name=name,
                selector=_selector(name, algorithm),
                algorithm=algorithm,
                public_key=public,
                private_key=secrets.encrypt(PURPOSE, private),
                created_at=now,
            )
            for name, algorithm, public, private in made
            if name not in taken
        ]
        SigningKey.objects.bulk_create(rows)
        for row in rows:
            audit.record(by, "generated signing key", domain, {"key": (None, row.record_name)})
    return rows


def generate_missing(*, now: datetime, most: int = 50) -> int:
    """First keys for names of signing domains that have none; how many names got them (D-069)."""
    same = SigningKey.objects.filter(name=OuterRef("name"), domain=OuterRef("domain"))
    without = HostedName.objects.filter(
        ~Exists(same), domain__domainfeatures__mail_signing=True, domain__is_deleting=False
    )
    found = list(without.select_related("domain").order_by("name")[:most])
    for hosted in found:
        with suppress(KeysWaiting):
            generate(domain=hosted.domain, by=None, now=now, names=[hosted.name])
    return len(found)


@transaction.atomic
def take_into_use(*, keys: Collection[int], now: datetime) -> int:
    """Their records have been seen: from now on they sign, and those before them are retired."""
    fresh = SigningKey.objects.filter(pk__in=keys, published_at=None, retired_at=None)
    count = 0
    for domain_id in sorted(set(fresh.values_list("domain_id", flat=True))):
        domain = selectors.locked(domain_id)
        for key in fresh.filter(domain_id=domain_id):
            key.published_at = now
            key.save(update_fields=["published_at"])
            audit.record(None, "took signing key into use", domain, {"key": (None, str(key))})
            before = SigningKey.objects.filter(
                name=key.name, algorithm=key.algorithm, retired_at=None, pk__lt=key.pk
            )
            for old in before:
                _retire(domain, old, by=None, now=now)
            count += 1
        publish_on_commit(Topic.DOMAIN, domain_id, durable=True)
    return count


@transaction.atomic
def retire(
    *, domain: Domain, selector: str, by: Actor | None, now: datetime, name: str = ""
) -> None:
    """It signs no more, and cannot be used again. `name` empty: the domain's own.

    Raises KeyUnknown.
    """
    domain = selectors.locked(domain.pk)
    key = SigningKey.objects.filter(
        domain=domain, name=name or domain.name, selector=selector, retired_at=None
    ).first()
    if key is None:
        raise KeyUnknown(selector)
    _retire(domain, key, by=by, now=now)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key from a backup; `private_key` in the clear, as DER. `published_at` None: it waits."""

    name: str
    selector: str
    algorithm: str
    public_key: str
    private_key: bytes
    created_at: datetime
    published_at: datetime | None


def known_key(row: SigningKey) -> KnownKey:
    """Of one that is not retired. Raises Undecipherable."""
    return KnownKey(
        name=row.name,
        selector=row.selector,
        algorithm=row.algorithm,
        public_key=row.public_key,
        private_key=secrets.decrypt(PURPOSE, bytes(row.private_key)),
        created_at=row.created_at,
        published_at=row.published_at,
    )


@transaction.atomic
def bring(*, domain: Domain, key: KnownKey, others: Collection[KnownKey], by: Actor | None) -> bool:
    """A key that the domain had before. False: it is there, or the name is none of the domain's.

    `others` may stand beside it: a name with another key of that algorithm keeps what it has.
    Raises ValuesRefused.
    """
    domain = selectors.locked(domain.pk)
    there = SigningKey.objects.filter(name=key.name, selector=key.selector).first()
    if there is not None and there.domain_id != domain.pk:
        raise _refused(key, "stands in the recycle bin: purge its domain first")
    if there is not None or key.name not in _names(domain):
        return False
    known = {other.public_key for other in others}
    same = SigningKey.objects.filter(name=key.name, algorithm=key.algorithm, retired_at=None)
    if any(row.public_key not in known for row in same.filter(domain=domain)):
        return False
    _require_pair(key)
    row = SigningKey(
        domain=domain, name=key.name, selector=key.selector, algorithm=key.algorithm,
        public_key=key.public_key, private_key=secrets.encrypt(PURPOSE, key.private_key),
        created_at=key.created_at, published_at=key.published_at,
    )  # fmt: skip
    row.save(force_insert=True)
    audit.record(by, "restored signing key", domain, {"key": (None, row.record_name)})
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return True


def forget_old(*, now: datetime) -> int:
    """Keys whose records nobody needs any more, and those of names that are not ours any more."""
    old = SigningKey.objects.filter(retired_at__lt=now - RECORD_KEPT_FOR)
    foreign = SigningKey.objects.exclude(name__in=HostedName.objects.values("name")).filter(
        domain__recycled=None
    )
    return old.delete()[0] + foreign.delete()[0]


def keys_of(domain: Domain) -> list[SigningKey]:
    """All whose records should be in DNS, and those that were retired not long ago."""
    return list(SigningKey.objects.filter(domain=domain, name__in=_names(domain)))


def _retire(domain: Domain, key: SigningKey, *, by: Actor | None, now: datetime) -> None:
    key.retired_at = now
    key.private_key = b""
    key.save(update_fields=["retired_at", "private_key"])
    audit.record(by, "retired signing key", domain, {"key": (str(key), None)})


def _names(domain: Domain) -> list[str]:
    names = HostedName.objects.filter(domain=domain).order_by("is_alias", "name")
    return list(names.values_list("name", flat=True))


def _waiting(domain: Domain) -> list[str]:
    """The names that have keys which do not sign yet."""
    rows = SigningKey.objects.filter(domain=domain, published_at=None, retired_at=None)
    return list(rows.values_list("name", flat=True))


def _selector(name: str, algorithm: Algorithm) -> str:
    """The next number that the name has not used: `mh3r`, `mh3e`."""
    rows = SigningKey.objects.filter(name=name, algorithm=algorithm)
    numbers = [
        int(match[1])
        for selector in rows.values_list("selector", flat=True)
        if (match := _SELECTOR.fullmatch(selector))
    ]
    return f"mh{max(numbers, default=0) + 1}{algorithm.value[0]}"


def _new_pair(algorithm: Algorithm) -> tuple[str, bytes]:
    """The public key as the record has it, and the private one."""
    if algorithm == Algorithm.RSA:
        rsa = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        return _public(rsa), _private(rsa)
    ed = Ed25519PrivateKey.generate()
    return _public(ed), _private(ed)


def _require_pair(key: KnownKey) -> None:
    """Raises ValuesRefused: what stands in DNS must fit what signs."""
    try:
        private: Any = load_der_private_key(key.private_key, password=None)
        if not _SELECTOR.fullmatch(key.selector) or _public(private) != key.public_key:
            raise ValueError
        if Algorithm(key.algorithm) != (
            Algorithm.RSA if isinstance(private, RSAPrivateKey) else Algorithm.ED25519
        ):
            raise ValueError
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _refused(key, "is no pair of keys") from None


def _refused(key: KnownKey, reason: str) -> ValuesRefused:
    return ValuesRefused((Problem(f"{key.selector}._domainkey.{key.name}", reason),))


def _public(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    """As the record has it."""
    if isinstance(key, RSAPrivateKey):
        octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    elif isinstance(key, Ed25519PrivateKey):
        # RFC 8463 §4.2: the bare 32 octets.
        octets = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raise TypeError
    return base64.b64encode(octets).decode()


def _private(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
