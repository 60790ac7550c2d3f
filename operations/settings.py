"""The listeners' settings and the networks that may relay, from this process's memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from domains.directory import Memory
from domains.policy import MEGABYTE
from operations.models import ListenerSettings, RelayNetwork, RelayService

Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class ListenerPolicy:
    """None: no limit."""

    message_bytes: int | None
    sessions_per_protocol: int | None
    sessions_per_address: int | None
    sessions_per_user: int | None
    bad_commands: int
    smtp_idle_seconds: int
    imap_idle_seconds: int
    pop_idle_seconds: int
    ldap_idle_seconds: int
    disabled_domain_is_temporary: bool
    over_quota_is_permanent: bool
    check_sender_identity: bool
    check_author_identity: bool
    hide_submitter_address: bool
    relay_networks: Networks  # where servers bring mail
    submission_networks: Networks  # where all others have to log in

    def may_relay(self, client_ip: str, *, on_submission: bool = False) -> bool:
        """Whether the address may send without logging in on such a port (G-040)."""
        networks = self.submission_networks if on_submission else self.relay_networks
        if not networks:
            return False
        address = _address(client_ip)
        return any(address in network for network in networks)


# Asked for each message of a client that stays connected.
_address = lru_cache(maxsize=4096)(ip_address)
_memory: Memory[int, ListenerPolicy] = Memory(limit=1)


def current(*, cached_only: bool = False) -> ListenerPolicy:
    """Raises Cold if `cached_only` and it has not been read lately."""
    return _memory.ask(1, _read, cached_only=cached_only)


def forget() -> None:
    """Called for each note on Topic.SETTINGS."""
    _memory.clear()


def _read(key: int) -> ListenerPolicy:
    row = ListenerSettings.objects.filter(pk=key).first() or ListenerSettings(pk=key)
    listed = list(RelayNetwork.objects.order_by("pk"))

    def networks(service: RelayService) -> Networks:
        return tuple(
            ip_network(one.network, strict=False) for one in listed if service in one.services
        )

    return _policy(row, networks(RelayService.SMTP), networks(RelayService.SUBMISSION))


def _policy(
    row: ListenerSettings, relay_networks: Networks, submission_networks: Networks
) -> ListenerPolicy:
    return ListenerPolicy(
        message_bytes=row.message_size_mb * MEGABYTE or None,
        sessions_per_protocol=row.sessions_per_protocol or None,
        sessions_per_address=row.sessions_per_address or None,
        sessions_per_user=row.sessions_per_user or None,
        bad_commands=row.bad_commands,
        smtp_idle_seconds=row.smtp_idle_seconds,
        imap_idle_seconds=row.imap_idle_seconds,
        pop_idle_seconds=row.pop_idle_seconds,
        ldap_idle_seconds=row.ldap_idle_seconds,
        disabled_domain_is_temporary=row.disabled_domain_is_temporary,
        over_quota_is_permanent=row.over_quota_is_permanent,
        check_sender_identity=row.check_sender_identity,
        check_author_identity=row.check_author_identity,
        hide_submitter_address=row.hide_submitter_address,
        relay_networks=relay_networks,
        submission_networks=submission_networks,
    )


# What holds until the row has been read for the first time.
FACTORY = _policy(ListenerSettings(), (), ())
