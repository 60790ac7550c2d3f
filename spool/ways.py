"""The way that an operator chose for mail: a gateway, the domain's own servers, or one host."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from domains.errors import NameMalformed
from domains.names import read_name

DIRECT = "direct"
SMTP_PORT = 25


class WayMalformed(Exception):
    """The text names no way."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text[:100]!r} is no way for mail: {reason}")
        self.text = text
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Way:
    """At most one of the three is set; none: as the rules say."""

    gateway_id: int | None = None
    is_direct: bool = False
    host: str = ""
    port: int = SMTP_PORT

    @classmethod
    def parse(cls, text: str) -> Way:
        """`auto` or empty, `direct`, `gateway:7`, `host:mx.example.net:25`. Raises WayMalformed.

        An IPv6 address stands in square brackets.
        """
        kind, _, rest = text.strip().partition(":")
        if kind in ("", "auto") and not rest:
            return AUTOMATIC
        if kind == DIRECT and not rest:
            return cls(is_direct=True)
        if kind == "gateway":
            if not (rest.isascii() and rest.isdigit() and len(rest) < 19):
                raise WayMalformed(text, "a gateway is named by its number")
            return cls(gateway_id=int(rest))
        if kind == "host":
            return _parse_host(text, rest)
        raise WayMalformed(text, "say auto, direct, gateway:NUMBER or host:NAME:PORT")

    def encode(self) -> str:
        if self.gateway_id is not None:
            return f"gateway:{self.gateway_id}"
        if self.is_direct:
            return DIRECT
        if not self.host:
            return ""
        return f"host:[{self.host}]:{self.port}" if ":" in self.host else self._plain_host

    def __str__(self) -> str:
        return self.encode() or "auto"

    @property
    def _plain_host(self) -> str:
        return f"host:{self.host}:{self.port}"


AUTOMATIC = Way()


def _parse_host(text: str, rest: str) -> Way:
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        is_address = bool(bracket) and _is_ip(host)
        port = port.removeprefix(":")
    else:
        host, _, port = rest.partition(":")
        is_address = _is_ip(host)
    if not is_address:
        try:
            host = read_name(host).name
        except NameMalformed as error:
            raise WayMalformed(text, error.reason) from error
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise WayMalformed(text, "a port is 1 to 65535")
    return Way(host=host, port=int(port) if port else SMTP_PORT)


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return getattr(address, "scope_id", None) is None
