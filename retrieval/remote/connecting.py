"""The way to another server: its addresses, those that are forbidden, and encryption."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from operations.addresses import is_public, own_addresses
from retrieval.remote.errors import RemoteFailed, Stage, TargetForbidden
from retrieval.remote.server import Limits, Remote
from retrieval.remote.wire import Ended, Wire
from spool.resolver import LookupFailed, NameUnknown, Resolver

Network = IPv4Network | IPv6Network

MAX_ADDRESSES = 6  # of one host that are tried

# X509_V_ERR_* of OpenSSL.
_EXPIRED, _WRONG_NAMES = 10, (62, 63, 64)


async def connect(remote: Remote, limits: Limits, allowed_networks: Sequence[Network]) -> Wire:
    """A connection without TLS to the first address that answers.

    Raises TargetForbidden where no address may be spoken to, RemoteFailed where none answers. What
    is connected to is the address that was looked at: no second look-up can say otherwise.
    """
    if not 0 < remote.port < 65_536:
        raise RemoteFailed(f"There is no port {remote.port}.", Stage.CONNECT)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + limits.session_seconds
    deadline = loop.time() + min(limits.connect_seconds, limits.session_seconds)
    try:
        async with asyncio.timeout_at(deadline):
            found, own = await _look_up(remote)
    except TimeoutError:
        raise RemoteFailed(f"{remote.host} was not looked up in time.", Stage.CONNECT) from None
    if not found:
        raise RemoteFailed(f"No server is known by the name {remote.host}.", Stage.CONNECT)
    addresses = [each for each in found if may_connect(each, allowed_networks, own)]
    if not addresses:
        raise TargetForbidden(
            f"{remote.host} leads to a private address, or to this server itself, from which"
            " nothing is fetched."
        )
    reason = ""
    for place, address in enumerate(addresses[:MAX_ADDRESSES]):
        # What is left of the time is shared among the addresses that are left.
        share = (deadline - loop.time()) / (min(len(addresses), MAX_ADDRESSES) - place)
        wire = Wire(limits, ends_at)
        reason = await _reach(wire, address, remote.port, seconds=max(share, 0))
        if not reason:
            return wire
    raise RemoteFailed(
        f"{remote.host} could not be reached on port {remote.port}: {reason}.", Stage.CONNECT
    )


async def _reach(wire: Wire, address: str, port: int, *, seconds: float) -> str:
    """Connect; why that failed, or nothing."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_connection(lambda: wire, address, port)
    except TimeoutError:
        reason = "no answer in time"
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "the connection failed"
    except BaseException:
        wire.abort()
        raise
    else:
        return ""
    wire.abort()
    return reason


async def _look_up(remote: Remote) -> tuple[list[str], frozenset[str]]:
    """The addresses of the host in the order in which they are tried, and this machine's own.

    What blocks does so in a thread that nobody waits for: the end of a process or of a loop would
    wait for those of executors, and name servers that are silent keep the system's resolver for
    longer than any limit here.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[list[str], frozenset[str]]] = loop.create_future()
    # A file of this machine knows `localhost`; an address is nothing to ask name servers for.
    asks_system = not remote.name_servers or "." not in remote.host or _is_address(remote.host)

    def look_up() -> None:
        found = _addresses(remote.host, remote.port) if asks_system else []
        result = found, own_addresses()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(give, result)

    def give(result: tuple[list[str], frozenset[str]]) -> None:
        if not answer.done():
            answer.set_result(result)

    threading.Thread(target=look_up, name="retrieval-dns", daemon=True).start()
    if asks_system:
        return await answer
    found = await _ask(remote.host, remote.name_servers)
    return found, (await answer)[1]


async def _ask(host: str, name_servers: Sequence[str]) -> list[str]:
    """Of the operator's name servers; none where they know no such name, or do not answer."""
    resolver = Resolver(name_servers)
    try:
        return list(await resolver.addresses(host))
    except (NameUnknown, LookupFailed):
        return []
    finally:
        await resolver.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _addresses(host: str, port: int) -> list[str]:
    """Each once; none for a name that does not exist, or that cannot be asked for now."""
    if not host:
        return []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # UnicodeError is a ValueError
        return []
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def may_connect(text: str, allowed_networks: Sequence[Network], own: frozenset[str]) -> bool:
    """Whether an address is public and not this server's, or of a network that is allowed."""
    address = _plain(text)
    if any(address.version == each.version and address in each for each in allowed_networks):
        return True
    return is_public(text) and str(address) not in own


def _plain(text: str) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as IPv6 is the IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


async def start_tls(wire: Wire, remote: Remote) -> None:
    """Encrypt the connection, TLS 1.2 at least. Raises RemoteFailed."""
    try:
        # The context's certificates are read from the disk once.
        context = await asyncio.to_thread(_context, remote.verifies)
        await wire.start_tls(context, remote.host)
    except ssl.SSLCertVerificationError as error:
        raise RemoteFailed(_certificate_words(error, remote.host), Stage.TLS) from error
    except (OSError, ValueError, Ended) as error:
        raise RemoteFailed(
            f"Encryption could not be started with {remote.host}, port {remote.port}:"
            f" {_tls_words(error)}.",
            Stage.TLS,
        ) from error


@lru_cache(maxsize=2)
def _context(verifies: bool) -> ssl.SSLContext:
    """One for all connections, as making it takes time."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _certificate_words(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code == _EXPIRED:
        return f"The certificate of {host} has expired."
    if error.verify_code in _WRONG_NAMES:
        return f"The certificate that {host} shows is for another name."
    return f"The certificate of {host} is not trusted: {error.verify_message}."


def _tls_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return "the server does not speak TLS here, perhaps another port or STARTTLS is meant"
        return (error.reason or "the handshake failed").replace("_", " ").lower()
    if isinstance(error, TimeoutError | ConnectionAbortedError):
        return "the handshake took too long"
    return "the connection was closed"
