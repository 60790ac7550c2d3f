"""Sends what web hooks are to be told: to public addresses only, without following anybody."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from accounts.secrets import Undecipherable
from api import webhooks
from api.models import WebhookDelivery
from clock.moments import utc_now
from operations.addresses import is_public

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 10.0
# From the connection to the last byte: a place that answers byte by byte keeps others' waiting.
# Shorter than the first of webhooks.WAITS, so that nobody else tries it meanwhile.
WHOLE_SECONDS = 30.0
# A round ends so that the next one can begin; what is left stays due.
MOST_IN_A_ROUND = 500
_READ_BYTES = 64 * 1024
SIGNATURE = "MailHost-Signature"


class Undeliverable(Exception):
    """The address cannot be, or must not be, spoken to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads: connected to by address, so that no second look-up says otherwise."""

    is_tls: bool
    host: str
    port: int
    address: str
    path: str


def deliver_due() -> int:
    """Try everything that is due now; how many were tried.

    A web hook that was not reached keeps the rest of its own for the next round.
    """
    count = 0
    silent: set[int] = set()
    while count < MOST_IN_A_ROUND:
        delivery = webhooks.claim(now=utc_now(), besides=silent)
        if delivery is None:
            break
        status, error = _try(delivery)
        if status is None:
            silent.add(delivery.webhook_id)
        webhooks.record_outcome(delivery, status_code=status, error=error, now=utc_now())
        count += 1
    return count


def _try(delivery: WebhookDelivery) -> tuple[int | None, str]:
    hook = delivery.webhook
    try:
        body = json.dumps(delivery.payload).encode()
        sign = webhooks.signature(webhooks.secret_of(hook), body, now=utc_now())
        status = post(find(hook.url), body, {SIGNATURE: sign, "MailHost-Event": delivery.event_id})
    except (Undeliverable, OSError, http.client.HTTPException, Undecipherable) as error:
        words = str(error) or type(error).__name__
        log.info("web hook not reached", webhook=hook.pk, delivery=delivery.pk, error=words)
        return None, words
    return status, f"answered {status}"


def find(url: str) -> Place:
    """Raises Undeliverable, also where any address of the name is a private one."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Undeliverable(f"{host} was not found: {error}") from None
    addresses = [str(one[4][0]) for one in found]
    if not settings.MAILHOST_PRIVATE_WEBHOOKS:
        for address in addresses:
            if not is_public(address):
                raise Undeliverable(f"{host} leads to a private address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(is_tls, host, port, addresses[0], path)


def post(place: Place, body: bytes, headers: dict[str, str]) -> int:
    """The status. Raises OSError, HTTPException; a redirection is an answer like any other."""
    connection = _Connection(place)
    end = threading.Timer(WHOLE_SECONDS, connection.break_off)
    end.daemon = True
    end.start()
    try:
        everything = {
            "Host": _host_header(place),
            "Content-Type": "application/json",
            "User-Agent": "MailHost",
            "Connection": "close",
            **headers,
        }
        connection.request("POST", place.path, body, everything)
        response = connection.getresponse()
        response.read(_READ_BYTES)
        if connection.is_broken_off:
            raise TimeoutError("the answer took too long")
        return response.status
    finally:
        end.cancel()
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To an address that was looked at; the certificate must be the name's."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.host, place.port, timeout=TIMEOUT_SECONDS)
        self._place = place
        self.is_broken_off = False

    def connect(self) -> None:
        place = self._place
        self.sock = socket.create_connection((place.address, place.port), TIMEOUT_SECONDS)
        if place.is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(
                self.sock, server_hostname=place.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def break_off(self) -> None:
        """Whoever waits for the other side gets the end of it; from any thread."""
        self.is_broken_off = True
        if self.sock is not None:
            with suppress(OSError):
                # Not SSLSocket's own, which takes TLS away from under the other thread.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def _host_header(place: Place) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port == (443 if place.is_tls else 80) else f"{host}:{place.port}"
