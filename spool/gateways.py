"""The verbs on gateways: add, change, set the password, delete (G-001…G-008)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts import secrets
from blobs.contention import tried_again
from domains import selectors
from domains.errors import Problem, ValuesRefused
from domains.models import Domain
from domains.names import is_host, read_name
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from spool.models import Encryption, Gateway, GatewayDestination
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

PASSWORD_PURPOSE = "gateway password"  # noqa: S105 - the name of a use, not a password

FIELDS = settable_fields(Gateway)


@tried_again
@transaction.atomic
def add(
    *,
    values: Values,
    by: Actor | None,
    password: str | None = None,
    destinations: Sequence[str] = (),
    sending_domains: Sequence[str] = (),
) -> Gateway:
    """A gateway with its scope: no destinations or no sending domains means any (G-005).

    Raises ValuesRefused, DomainUnknown.
    """
    row = Gateway()
    if values.get("username"):
        row.encryption = Encryption.REQUIRED  # G-004, unless the values say otherwise
    changes = _replace(row, values, password)
    if not row.name or not row.host:
        missing = "host" if row.name else "name"
        raise ValuesRefused((Problem(missing, "must not be empty"),))
    row.save(force_insert=True)
    _set_scope(row, destinations, sending_domains)
    audit.record(by, "added gateway", row, changes)
    publish_on_commit(Topic.ROUTES, row.pk, durable=True)
    return row


@tried_again
@transaction.atomic
def change(
    *,
    gateway: Gateway,
    values: Values,
    by: Actor | None,
    password: str | None = None,
    destinations: Sequence[str] | None = None,
    sending_domains: Sequence[str] | None = None,
) -> Gateway:
    """Set what is given; None: it stays; an empty password takes the password away."""
    row = Gateway.objects.select_for_update().get(pk=gateway.pk)
    changes = _replace(row, values, password)
    old = scope_of(row)
    if changes:
        row.save(update_fields=list(changes))
    _set_scope(row, destinations, sending_domains)
    new = scope_of(row)
    changes |= {key: (old[key], new[key]) for key in old if old[key] != new[key]}
    if changes:
        audit.record(by, "changed gateway", row, changes)
        publish_on_commit(Topic.ROUTES, row.pk, durable=True)
    return row


@transaction.atomic
def delete(*, gateway: Gateway, by: Actor | None) -> None:
    """Mail takes the next matching gateway, or goes out directly."""
    key = gateway.pk
    kept = {name: getattr(gateway, name) for name in FIELDS} | scope_of(gateway)
    kept |= {"password": bytes(gateway.password)} if gateway.password else {}
    audit.record(by, "deleted gateway", gateway, {name: (old, None) for name, old in kept.items()})
    gateway.delete()
    publish_on_commit(Topic.ROUTES, key, durable=True)


def scope_of(gateway: Gateway) -> dict[str, list[str]]:
    """Destinations and sending domains by name, sorted."""
    return {
        "destinations": sorted(gateway.destinations.values_list("name", flat=True)),
        "sending_domains": sorted(gateway.sending_domains.values_list("name", flat=True)),
    }


def password_of(gateway: Gateway) -> str:
    """In the clear, for whoever logs in there; empty: none. Raises Undecipherable."""
    if not gateway.password:
        return ""
    return secrets.decrypt(PASSWORD_PURPOSE, bytes(gateway.password)).decode()


def read_destination(text: str) -> str:
    """A domain, or `.domain` (also a top-level one) for all below it. Raises NameMalformed."""
    if not text.startswith("."):
        return read_name(text).name
    return read_name(f"x{text}").name.removeprefix("x")


def _replace(row: Gateway, values: Values, password: str | None) -> dict[str, tuple[Any, Any]]:
    changes = replace(row, values, fields=FIELDS)
    if password is not None and password != _password_or_nothing(row):
        sealed = secrets.encrypt(PASSWORD_PURPOSE, password.encode()) if password else b""
        changes["password"] = (bytes(row.password), sealed)
        row.password = sealed
    _check(row, changes)
    return changes


def _password_or_nothing(row: Gateway) -> str | None:
    try:
        return password_of(row)
    except secrets.Undecipherable:
        return None


def _check(row: Gateway, changes: Mapping[str, Any]) -> None:
    problems = []
    if row.minimum_priority > row.maximum_priority:
        problems.append(Problem("minimum_priority", "must not be above the maximum"))
    if "host" in changes and not is_host(row.host):
        problems.append(Problem("host", "must be a host name or an IP address"))
    if "name" in changes and Gateway.objects.exclude(pk=row.pk).filter(name=row.name).exists():
        problems.append(Problem("name", "is in use for another gateway"))
    if row.username and "\0" in row.username:
        problems.append(Problem("username", "must not have control characters"))
    if problems:
        raise ValuesRefused(tuple(problems))


def _set_scope(
    row: Gateway, destinations: Sequence[str] | None, sending_domains: Sequence[str] | None
) -> None:
    if destinations is not None:
        names = sorted({read_destination(text) for text in destinations})
        row.destinations.exclude(name__in=names).delete()
        present = set(row.destinations.values_list("name", flat=True))
        GatewayDestination.objects.bulk_create(
            GatewayDestination(gateway=row, name=name) for name in names if name not in present
        )
    if sending_domains is not None:
        found: list[Domain] = [selectors.by_name(text) for text in sending_domains]
        row.sending_domains.set(found)
