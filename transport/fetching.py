"""Fetching a policy file by HTTPS: one request, no redirects, within bounds. RFC 8461 §3.3."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import ssl
from collections.abc import Awaitable, Callable, Sequence

from protocols.mtasts import LONGEST_BYTES, MalformedPolicy, Policy, parse

FETCH_SECONDS = 20.0  # RFC 8461 §3.3 suggests a minute; mail waits for it
MOST_ADDRESSES = 4
LONGEST_RESPONSE = LONGEST_BYTES + 16 * 1024  # with its header
PATH = "/.well-known/mta-sts.txt"

FindAddresses = Callable[[str], Awaitable[tuple[str, ...]]]


class FetchFailed(Exception):
    """No policy came, for the reason given."""


async def fetch(
    domain: str, *, find_addresses: FindAddresses, context: ssl.SSLContext, port: int = 443
) -> Policy:
    """The policy of `domain`. Raises FetchFailed."""
    host = f"mta-sts.{domain}"
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            addresses = await find_addresses(host)
            if not addresses:
                raise FetchFailed(f"{host} has no address")
            response = await _get_from_any(host, addresses[:MOST_ADDRESSES], port, context)
    except TimeoutError:
        raise FetchFailed(f"{host} does not answer in time") from None
    except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as error:
        raise FetchFailed(f"{host} cannot be reached: {error}") from error
    return _read(host, response)


async def _get_from_any(
    host: str, addresses: Sequence[str], port: int, context: ssl.SSLContext
) -> bytes:
    """From the first that can be reached. Raises OSError of the last."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return await _get(host, address, port, context)
    return await _get(host, addresses[-1], port, context)


async def _get(host: str, address: str, port: int, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
    try:
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\n"
            "User-Agent: MailHost\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        response = bytearray()
        while chunk := await reader.read(16 * 1024):
            response += chunk
            if len(response) > LONGEST_RESPONSE:
                raise FetchFailed(f"{host} answers at too great a length")
        return bytes(response)
    finally:
        writer.transport.abort()


class _Socket(io.BytesIO):
    """What http.client takes for a connection."""

    def makefile(self, *_how: object, **_given: object) -> _Socket:
        return self


def _read(host: str, response: bytes) -> Policy:
    parsed = http.client.HTTPResponse(_Socket(response))  # type: ignore[arg-type]
    try:
        parsed.begin()
        kind = parsed.headers.get_content_type()
        body = parsed.read(LONGEST_BYTES + 1)
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise FetchFailed(f"{host} does not speak HTTP") from error
    if parsed.status != 200:
        # RFC 8461 §3.3: redirects are not followed.
        raise FetchFailed(f"{host} answers with status {parsed.status}")
    if kind != "text/plain":
        raise FetchFailed(f"{host} answers with something else than plain text")
    try:
        return parse(body)
    except MalformedPolicy as error:
        raise FetchFailed(f"the policy of {host} makes no sense: {error}") from error
