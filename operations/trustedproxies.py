"""Which peers may say for whom they connect: the proxies in front of this server (M-022)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

# In the META of a request that a proxy has brought: no header can have this name.
BY_PROXY = "mailhost.proxy"

Network = IPv4Network | IPv6Network


def are_listed() -> bool:
    return bool(settings.MAILHOST_TRUSTED_PROXIES)


def is_trusted(address: str) -> bool:
    """Whether a peer is one of them; what is no address is none."""
    if not are_listed():
        return False
    found = _plain(address)
    networks = _networks(tuple(settings.MAILHOST_TRUSTED_PROXIES))
    return found is not None and any(found in network for network in networks)


def client_of(peer: str, forwarded_for: str) -> str:
    """Who asks, by an X-Forwarded-For that the proxy `peer` sent.

    Each proxy adds on the right by whom it was asked. So the rightmost that is no proxy of ours is
    the client, and what stands left of it is anybody's word.
    """
    client = peer
    for word in reversed(forwarded_for.split(",")):
        found = _plain(_without_port(word.strip()))
        if found is None:
            break
        client = str(found)
        if not is_trusted(client):
            break
    return client


@lru_cache(maxsize=8)
def _networks(words: Sequence[str]) -> tuple[Network, ...]:
    return tuple(map(ip_network, words))


def _plain(address: str) -> IPv4Address | IPv6Address | None:
    """Without a scope, and IPv4 as such where a socket for both shows it as `::ffff:192.0.2.1`."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


def _without_port(word: str) -> str:
    """Some proxies write `192.0.2.1:56324` and `[2001:db8::1]:56324`."""
    if word.startswith("["):
        return word[1:].partition("]")[0]
    return word.partition(":")[0] if word.count(":") == 1 else word
