"""Connections and online users as pages show them, and what may be done to them (M-020…M-047)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from django.db import transaction
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery, Sum, Window

from accounts import permissions, selectors, services
from accounts.errors import NotPermitted
from accounts.models import Role, Status, User
from accounts.permissions import Verb
from clock.moments import utc_now
from events.audit import Actor
from operations import connections, listing
from operations.addresses import normal_network
from operations.connections import SILENCE
from operations.errors import ConnectionUnknown, OwnNetwork
from operations.models import BlacklistEntry, Connection

# What counts as being online; POP and SMTP come and go (M-021).
ONLINE = ("imap", "webmail", "dav")


@dataclass(frozen=True, slots=True)
class OnlineUser:
    """One row of the Online Users page."""

    connection_id: int
    account_id: int
    address: str
    domain: str
    type: str
    client_address: str
    started_at: datetime  # of the login


@dataclass(frozen=True, slots=True)
class Party:
    """All connections of one address (M-045)."""

    client_address: str
    connections: int
    since: datetime
    bytes_in: int
    bytes_out: int


def connections_for(
    actor: User, *, service: str = "", is_outbound: bool = False, text: str = ""
) -> QuerySet[Connection]:
    """Current Connections: all, or of one protocol; each with `of_address`, how many its IP has.

    `text` is the beginning of an address. Raises NotPermitted.
    """
    permissions.require(actor, Verb.MANAGE_SERVER)
    rows = _living().filter(is_outbound=is_outbound)
    if service:
        rows = rows.filter(service=service)
    rows = rows.annotate(of_address=Window(Count("id"), partition_by="client_address"))
    if text:
        rows = rows.filter(client_address__startswith=text)
    return rows.select_related("process").order_by("id")


def parties_for(actor: User, *, service: str = "") -> list[Party]:
    """The same grouped by address, the busiest first. Raises NotPermitted."""
    permissions.require(actor, Verb.MANAGE_SERVER)
    rows = _living().filter(is_outbound=False)
    if service:
        rows = rows.filter(service=service)
    groups = rows.values("client_address").annotate(
        number=Count("id"), since=Min("started_at"), received=Sum("bytes_in"),
        sent=Sum("bytes_out"),
    )  # fmt: skip
    return [
        Party(one["client_address"], one["number"], one["since"], one["received"], one["sent"])
        for one in groups.order_by("-number", "client_address")
    ]


def online_for(
    actor: User, *, address: str = "", domain: str = "", client_address: str = "", type_: str = ""
) -> list[OnlineUser]:
    """Who is logged in now; domain administrators see their own domain (M-020, M-027)."""
    rows = sessions_for(actor)
    if client_address:
        rows = rows.filter(client_address__startswith=client_address)
    if type_:
        rows = rows.filter(service=type_)
    found = list(rows.order_by("id"))
    users = User.objects.select_related("domain").in_bulk({row.account_id for row in found})
    online = [_online(row, users[row.account_id]) for row in found if row.account_id in users]
    return [
        one
        for one in online
        if address.lower() in one.address.lower() and domain.lower() in one.domain.lower()
    ]


def sessions_for(actor: User) -> QuerySet[Connection]:
    """The rows behind `online_for`, each with `local_part` and `domain_name` of its user."""
    rows = _living().filter(account_id__isnull=False, service__in=ONLINE)
    if actor.role != Role.SYSTEM_ADMINISTRATOR:
        rows = rows.filter(domain_id__in=selectors.domains_for(actor).values("pk"))
    if actor.role == Role.USER:
        return rows.none()
    user = User.objects.filter(pk=OuterRef("account_id"))
    return rows.annotate(
        local_part=Subquery(user.values("local_part")[:1]),
        domain_name=Subquery(user.values("domain__name")[:1]),
    ).filter(local_part__isnull=False)


def connection_for(actor: User, connection_id: int) -> Connection:
    """One that the actor may end. Raises ConnectionUnknown."""
    row = _living().filter(pk=connection_id).first()
    if row is None:
        raise ConnectionUnknown
    if actor.role == Role.SYSTEM_ADMINISTRATOR and actor.is_active:
        return row
    if row.account_id is None or not _may_change_user(actor, row.account_id):
        raise ConnectionUnknown
    return row


def drop(connection: Connection, *, by: Actor | None) -> bool:
    """Cut without blacklisting (M-047), or end a session (M-025); False: it was gone already."""
    return connections.end(connection.pk, by=by)


def blacklist_network(
    network: str,
    *,
    by: Actor | None,
    actor_address: str = "",
    services: Sequence[str] = (),
    note: str = "",
) -> BlacklistEntry:
    """Put an address or a network on the blacklist; its open connections are cut.

    `actor_address`: from where the administrator works, who must not lock himself out. Raises
    NetworkMalformed, OwnNetwork, ValuesRefused.
    """
    wanted = normal_network(network)
    if actor_address and _contains(wanted, actor_address):
        raise OwnNetwork(wanted, actor_address)
    return listing.add(BlacklistEntry, network=wanted, by=by, services=services, note=note)


def disable_user(*, user: User, by: Actor | None) -> User:
    """Switch an account off until an administrator enables it, and end its sessions (M-026).

    Raises LastAdministrator, and NotPermitted for system administrators.
    """
    if user.role == Role.SYSTEM_ADMINISTRATOR:
        raise NotPermitted(Verb.CHANGE_USERS)
    with transaction.atomic():
        user = services.change_user(user=user, values={"status": Status.DISABLED}, by=by)
        connections.end_of_account(user.pk, by=by)
    return user


def _living() -> QuerySet[Connection]:
    return Connection.objects.filter(process__seen_at__gte=utc_now() - SILENCE)


def _online(row: Connection, user: User) -> OnlineUser:
    return OnlineUser(
        connection_id=row.pk,
        account_id=user.pk,
        address=str(user),
        domain=user.domain.name if user.domain else "",
        type=row.service,
        client_address=row.client_address,
        started_at=row.logged_in_at or row.started_at,
    )


def _may_change_user(actor: User, account_id: int) -> bool:
    user = selectors.users_for(actor).filter(pk=account_id).first()
    return user is not None and permissions.may(actor, Verb.CHANGE_USERS, user.domain)


def _contains(network: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:
        return False
