"""From claimed recipients to work: by which agent, along which route, with which bytes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings as conf

from accounts import secrets
from blobs.errors import StoreError
from blobs.store import read_body
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from domains import ownaddresses
from domains.models.technical import SourceAddress
from protocols import sasl_client
from protocols.sasl_client import ClientExchange
from protocols.smtp.client import ChooseSasl, Tls
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool import gatewaychoice, relaydomains, rewriting, singly
from spool.agents.route import RemoteRoute
from spool.gatewaychoice import GatewayPolicy, Loads
from spool.gateways import PASSWORD_PURPOSE
from spool.lists import copies
from spool.models import Encryption, Route
from spool.relaydomains import RelayPolicy
from spool.signatures import signature_for
from spool.ways import Way, WayMalformed
from spool.work import ClaimedMessage, ClaimedRecipient, Result, Work

PRELOADED_BYTES = 32 * 1024  # a message up to this size is read when it is claimed


SENDER_HELD = Reply(450, "4.2.1", "The sender's domain is switched off for now")
UNREADABLE = Reply(451, "4.3.0", "The message cannot be read from the spool")

_TLS = {
    Encryption.NONE: Tls.NEVER,
    Encryption.OPPORTUNISTIC: Tls.IF_OFFERED,
    Encryption.REQUIRED: Tls.REQUIRED,
    Encryption.IMPLICIT: Tls.ALREADY,
}


@dataclass(slots=True)
class Plan:
    """Everything of one claim, divided."""

    remote: list[tuple[RemoteRoute, Work]]
    local: list[ClaimedRecipient]
    results: list[Result]  # known without a try
    lists: list[ClaimedRecipient] = field(default_factory=list)


def make_plan(
    recipients: Sequence[ClaimedRecipient],
    *,
    recipients_per_transaction: int,
    gateways_down: frozenset[int] = frozenset(),
    loads: Loads | None = None,
) -> Plan:
    """Divide a claim. Asks directories and reads bodies, so in a thread."""
    plan = Plan([], [], [])
    groups = _group(recipients, plan, _Choice(gateways_down, loads or Loads()))
    bodies: dict[int, bytes | None] = {}
    signed: dict[int, bytes] = {}
    for (message_id, route, by, is_single), group in groups.items():
        try:
            if message_id not in bodies:
                body = _preload(group[0].message)
                if group[0].message.list_id is None:
                    signed[message_id] = signature_for(group[0].message, body)
                bodies[message_id] = body
        except StoreError as error:
            plan.results += [_unreadable(recipient, error) for recipient in group]
            continue
        at_once = 1 if is_single else recipients_per_transaction
        if group[0].message.list_id is not None:
            plan.remote += [(route, copies.work(one, bodies[message_id], by)) for one in group]
            continue
        for start in range(0, len(group), at_once):
            work = Work(group[start : start + at_once], bodies[message_id])
            work.signature = signed[message_id]
            if by:
                work.head = rewriting.mark(by)
                work.rewritten_sender = rewriting.sender_for(work.message.sender, by)
            plan.remote.append((route, work))
    return plan


def _group(
    recipients: Sequence[ClaimedRecipient], plan: Plan, choice: _Choice
) -> dict[tuple[int, RemoteRoute, str, bool], list[ClaimedRecipient]]:
    """Those of one message that go out alike, by message, route, forwarder and whether singly.

    Who needs no route goes into the plan at once.
    """
    groups: dict[tuple[int, RemoteRoute, str, bool], list[ClaimedRecipient]] = {}
    for recipient in recipients:
        if recipient.route == Route.LOCAL:
            plan.local.append(recipient)
        elif recipient.route == Route.LIST:
            plan.lists.append(recipient)
        elif _is_sender_held(recipient.message):
            plan.results.append(_held(recipient, SENDER_HELD))
        else:
            route = choice.route_for(recipient)
            by = _forwarder(recipient)
            is_single = choice.goes_singly(recipient, route)
            key = recipient.message.message_id, route, by, is_single
            groups.setdefault(key, []).append(recipient)
    return groups


def _forwarder(recipient: ClaimedRecipient) -> str:
    """The address of ours from which it is sent on; empty: it was written to where it goes."""
    address, original = recipient.address, recipient.original_address
    if address == original or not rewriting.is_forwarded(address, original):
        return ""
    return original


# Our own addresses that mail leaves from, of IPv4 and of IPv6.
Sources = tuple[str | None, str | None]


class _Choice:
    """Routes of one claim; recipients of one message that may share a gateway do."""

    def __init__(self, gateways_down: frozenset[int], loads: Loads) -> None:
        self._gateways = gatewaychoice.current()
        self._down = gateways_down
        self._loads = loads
        # The rules are asked once for all recipients of a claim to whom they say the same.
        self._found: dict[
            tuple[int, int | None, str], RemoteRoute | tuple[tuple[GatewayPolicy, ...], Sources]
        ] = {}
        self._picked: dict[tuple[int, tuple[int, ...]], GatewayPolicy] = {}
        self._routes: dict[tuple[int, Sources], RemoteRoute] = {}
        self._by_id = {gateway.gateway_id: gateway for gateway in self._gateways}
        self._single: dict[tuple[str, int | None], bool] = {}

    def route_for(self, recipient: ClaimedRecipient) -> RemoteRoute:
        """A gateway that fits and is up, one that fits, or the domain's own servers (G-006).

        What an operator chose for this very mail comes before all that.
        """
        chosen = _chosen_route(recipient) if recipient.via else None
        if chosen is not None:
            return chosen
        key = recipient.priority, recipient.message.domain_id, recipient.destination
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._by_rules(recipient)
        if isinstance(found, RemoteRoute):
            return found
        return self._through_one_of(*found, recipient.message.message_id)

    def goes_singly(self, recipient: ClaimedRecipient, route: RemoteRoute) -> bool:
        """Whether it has a transaction of its own (S-040)."""
        key = recipient.destination, route.gateway_id
        found = self._single.get(key)
        if found is None:
            gateway = self._by_id.get(route.gateway_id or 0)
            found = self._single[key] = singly.goes_singly(recipient.destination, gateway)
        return found

    def _by_rules(
        self, recipient: ClaimedRecipient
    ) -> RemoteRoute | tuple[tuple[GatewayPolicy, ...], Sources]:
        """The route, or gateways any of which may take the mail."""
        message = recipient.message
        ipv4, ipv6 = source_addresses(message.domain_id)
        relayed = relaydomains.by_name(recipient.destination)
        if relayed is not None:
            return replace(relay_route(relayed), source_ipv4=ipv4, source_ipv6=ipv6)
        fitting = gatewaychoice.choose(
            self._gateways,
            priority=recipient.priority,
            domain_id=message.domain_id,
            destination=recipient.destination,
        )
        up = tuple(gateway for gateway in fitting if gateway.gateway_id not in self._down)
        if not up and all(gateway.fall_back_to_direct for gateway in fitting):
            return RemoteRoute(
                recipient.destination,
                port=conf.MAILHOST_OUTGOING_PORT,
                source_ipv4=ipv4,
                source_ipv6=ipv6,
            )
        return up or fitting, (ipv4, ipv6)

    def _through_one_of(
        self, gateways: tuple[GatewayPolicy, ...], sources: Sources, message_id: int
    ) -> RemoteRoute:
        key = message_id, tuple(gateway.gateway_id for gateway in gateways)
        gateway = self._picked.get(key)
        if gateway is None:
            gateway = self._picked[key] = self._loads.pick(gateways)
        self._loads.queued[gateway.gateway_id] += 1
        route = self._routes.get((gateway.gateway_id, sources))
        if route is None:
            ipv4, ipv6 = sources
            route = replace(gateway_route(gateway), source_ipv4=ipv4, source_ipv6=ipv6)
            self._routes[gateway.gateway_id, sources] = route
        return route


def _chosen_route(recipient: ClaimedRecipient) -> RemoteRoute | None:
    """None: the way that was chosen is not there any more, so the rules hold again."""
    try:
        way = Way.parse(recipient.via)
    except WayMalformed:
        return None
    ipv4, ipv6 = source_addresses(recipient.message.domain_id)
    if way.is_direct:
        return RemoteRoute(
            recipient.destination,
            port=conf.MAILHOST_OUTGOING_PORT,
            source_ipv4=ipv4,
            source_ipv6=ipv6,
        )
    if way.host:
        return RemoteRoute("", host=way.host, port=way.port, source_ipv4=ipv4, source_ipv6=ipv6)
    for gateway in gatewaychoice.current():
        if gateway.gateway_id == way.gateway_id:
            return replace(gateway_route(gateway), source_ipv4=ipv4, source_ipv6=ipv6)
    return None


def source_addresses(domain_id: int | None) -> tuple[str | None, str | None]:
    """From which IPv4 and IPv6 address mail caused by a domain leaves (G-015)."""
    domain = None if domain_id is None else domain_directory.policy(domain_id)
    if domain is None:
        return None, None
    technical = domain.technical
    own = domain.bound_ip
    if own is not None and ipaddress.ip_address(own).is_loopback:
        own = None  # nobody else can be reached from there
    return (
        _source(technical.source_address_ipv4, own, technical.chosen_source_ipv4, version=4),
        _source(technical.source_address_ipv6, own, technical.chosen_source_ipv6, version=6),
    )


def _source(wish: str, own: str | None, chosen: str | None, *, version: int) -> str | None:
    if wish == SourceAddress.CHOSEN:
        # From an address that is gone no mail would ever leave.
        return chosen if chosen is not None and ownaddresses.is_here(chosen) else None
    if wish == SourceAddress.DOMAIN and own is not None:
        return own if ipaddress.ip_address(own).version == version else None
    return None


def gateway_route(gateway: GatewayPolicy) -> RemoteRoute:
    return RemoteRoute(
        domain="",
        host=gateway.host,
        port=gateway.port,
        use_mx=gateway.use_mx,
        tls=_TLS[gateway.encryption],
        verify_certificate=gateway.verify_certificate,
        gateway_id=gateway.gateway_id,
    )


def relay_route(relayed: RelayPolicy) -> RemoteRoute:
    """To the server that a relayed domain's mail is kept for (G-016)."""
    if not relayed.host:
        return RemoteRoute(relayed.name, port=conf.MAILHOST_OUTGOING_PORT)
    return RemoteRoute(domain="", host=relayed.host, port=relayed.port)


def sasl_for(route: RemoteRoute, policies: Iterable[GatewayPolicy]) -> ChooseSasl | None:
    """How to log in along `route`; None: no login is wanted (G-003)."""
    gateway = next((one for one in policies if one.gateway_id == route.gateway_id), None)
    if gateway is None or not gateway.username:
        return None
    password = secrets.decrypt(PASSWORD_PURPOSE, gateway.password).decode()

    def choose(offered: frozenset[str], is_encrypted: bool) -> ClientExchange | None:
        may_be_clear = is_encrypted or gateway.allow_clear_text_login
        name = sasl_client.choose(offered, is_encrypted=may_be_clear)
        return sasl_client.begin(name, gateway.username, password) if name else None

    return choose


def _preload(message: ClaimedMessage) -> bytes | None:
    if message.location is None:
        raise StoreError("the message has no body any more")
    if message.size_bytes > PRELOADED_BYTES:
        return None
    return read_body(message.location)


def _is_sender_held(message: ClaimedMessage) -> bool:
    """D-036: a disabled domain sends nothing; what it has sent already waits."""
    if message.domain_id is None:
        return False
    domain = domain_directory.policy(message.domain_id)
    return domain is not None and domain.is_disabled


def _held(recipient: ClaimedRecipient, reply: Reply) -> Result:
    now = to_micros(utc_now())
    outcome = Outcome(Verdict.DEFERRED, reply, Stage.CONNECT, by_peer=False)
    return Result(recipient, outcome, now, now, is_held=True)


def _unreadable(recipient: ClaimedRecipient, error: StoreError) -> Result:
    now = to_micros(utc_now())
    outcome = Outcome(Verdict.DEFERRED, UNREADABLE, Stage.CONNECT, by_peer=False)
    return Result(recipient, outcome, now, now, traceback=repr(error))
