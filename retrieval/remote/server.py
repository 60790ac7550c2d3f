"""Which server is asked, as whom, and how much of its time and memory is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Security(StrEnum):
    """How the connection is protected. RFC 8314 prefers TLS from its first octet."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Remote:
    """An account on another server; its password stands in no repr."""

    host: str
    port: int
    security: Security
    username: str
    password: str = field(repr=False)
    verifies: bool = True  # the certificate must be valid, and the host's
    name_servers: tuple[str, ...] = ()  # "address" or "address:port"; none: the system's resolver

    @property
    def is_encrypted(self) -> bool:
        return self.security is not Security.NONE


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the other server may take, and how much it may send."""

    connect_seconds: float = 30.0  # to look up the name and to connect; as much again for TLS
    # For a whole reply. One that goes on longer must bring wire.PROGRESS_BYTES in each such time.
    reply_seconds: float = 60.0
    message_bytes: int | None = None  # None: any size
    # From the first look-up to the end, with all that the caller does meanwhile.
    session_seconds: float = 3600.0
