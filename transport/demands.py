"""What a session with a server must have: asked of policies before each connection (S-055)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from clock.moments import utc_now
from domains.directory import Cold
from protocols import dane
from protocols.mtasts import Mode, Policy
from protocols.smtp.client import Tls
from spool.agents.route import RemoteRoute
from spool.agents.tls import (
    NOT_ENCRYPTED,
    OPPORTUNISTIC,
    JudgeChain,
    TlsDemand,
    TlsProblem,
    demand_of_route,
)
from spool.mx import Host
from transport import danerecords, overrides
from transport.authentic import AuthenticResolver
from transport.counting import Counter, PolicyType, Subject
from transport.danerecords import DaneBroken, DanePolicy
from transport.models import DaneUse, Level, TransportSettings
from transport.settings import TRANSPORT
from transport.stspolicies import Ask, StsPolicies

_OF_LEVEL = {
    Level.NONE: NOT_ENCRYPTED,
    Level.OPPORTUNISTIC: OPPORTUNISTIC,
    Level.REQUIRED: TlsDemand(Tls.REQUIRED, verify_certificate=False, policy="operator's policy"),
    Level.VERIFIED: TlsDemand(Tls.REQUIRED, verify_certificate=True, policy="operator's policy"),
}


@dataclass(slots=True)
class Demands:
    """`ask` is RemoteSettings.ask_demand."""

    authentic: AuthenticResolver
    sts: StsPolicies
    counter: Counter
    in_thread: Ask

    async def ask(self, route: RemoteRoute, host: Host) -> TlsDemand:
        """The operator's word, else the gateway's settings, else DANE, else MTA-STS."""
        if route.gateway_id is not None:
            return await demand_of_route(route, host)
        domain = route.domain or route.host
        level, settings = await self._operator(domain)
        if level is not None:
            return _OF_LEVEL[level]
        if _is_address(host.name):
            return OPPORTUNISTIC  # policies are about names
        if self._believes_dnssec(settings):
            demand = await self._dane(route, host, domain)
            if demand is not None:
                return demand
        # MTA-STS is about the servers that MX names (RFC 8461 §3).
        if settings.use_mta_sts and route.domain and not route.host:
            return await self._mta_sts(host, domain)
        return self._without_policy(host, domain)

    async def _operator(self, domain: str) -> tuple[Level | None, TransportSettings]:
        try:
            return overrides.override_for(domain, cached_only=True), TRANSPORT.read(
                cached_only=True
            )
        except Cold:
            level = await self.in_thread(overrides.override_for, domain)
            return level, await self.in_thread(TRANSPORT.read)

    def _believes_dnssec(self, settings: TransportSettings) -> bool:
        if settings.use_dane == DaneUse.LOOPBACK:
            return self.authentic.is_on_this_machine
        return settings.use_dane == DaneUse.ALWAYS

    async def _dane(self, route: RemoteRoute, host: Host, domain: str) -> TlsDemand | None:
        has_mx = bool(route.domain and not route.host) or route.use_mx
        try:
            policy = await danerecords.dane_policy(
                self.authentic, domain if has_mx else "", host.name, route.port
            )
        except DaneBroken as error:
            subject = Subject(domain, PolicyType.TLSA, (), host.name, host.address)
            return TlsDemand(
                Tls.REQUIRED,
                verify_certificate=False,
                policy="DANE",
                refused=str(error),
                tell=lambda _problem: self.counter.count(subject, TlsProblem.DNSSEC_INVALID),
            )
        if policy is None:
            return None
        subject = Subject(domain, PolicyType.TLSA, policy.lines, host.name, host.address)
        return TlsDemand(
            Tls.REQUIRED,
            verify_certificate=False,
            policy="DANE",
            judge_chain=_judge(policy, (host.name, domain)) if policy.records else None,
            tell=lambda problem: self.counter.count(subject, problem),
        )

    async def _mta_sts(self, host: Host, domain: str) -> TlsDemand:
        policy, failed = await self.sts.policy_of(domain)
        if failed:
            subject = Subject(domain, PolicyType.STS, (), host.name, host.address)
            self.counter.count(subject, TlsProblem.STS_FETCH)
        if policy is None or policy.mode is Mode.NONE:
            return self._without_policy(host, domain)
        subject = Subject(domain, PolicyType.STS, policy.lines, host.name, host.address)
        return TlsDemand(
            Tls.REQUIRED,
            verify_certificate=True,
            policy="MTA-STS" if policy.mode is Mode.ENFORCE else "MTA-STS in testing mode",
            refused=_refusal(policy, host),
            # RFC 8461 §5: in testing mode trouble is reported, and mail goes out all the same.
            softer=None if policy.mode is Mode.ENFORCE else OPPORTUNISTIC,
            tell=lambda problem: self.counter.count(subject, problem),
        )

    def _without_policy(self, host: Host, domain: str) -> TlsDemand:
        subject = Subject(domain, PolicyType.NONE, (), host.name, host.address)
        return TlsDemand(
            Tls.IF_OFFERED,
            verify_certificate=False,
            softer=NOT_ENCRYPTED,
            tell=lambda problem: self.counter.count(subject, problem),
        )


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


def _refusal(policy: Policy, host: Host) -> str:
    return "" if policy.allows(host.name) else f"{host.name} is not among the servers it names"


def _judge(policy: DanePolicy, names: Sequence[str]) -> JudgeChain:
    def judge(chain: Sequence[bytes]) -> str:
        return dane.refusal(policy.records, chain, names=names, now=utc_now())

    return judge
