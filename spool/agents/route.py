"""Where a session to another server goes."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.smtp.client import Tls
from spool.mx import Host

SMTP_PORT = 25


@dataclass(frozen=True, slots=True)
class RemoteRoute:
    """The servers of a domain, or one that an operator named.

    Two recipients with equal routes may share a session.
    """

    domain: str  # "" with `host`
    host: str = ""
    port: int = SMTP_PORT
    use_mx: bool = False  # look `host` up by MX
    tls: Tls = Tls.IF_OFFERED
    verify_certificate: bool = False
    gateway_id: int | None = None
    source_ipv4: str | None = None  # the address of ours that it leaves from (G-015)
    source_ipv6: str | None = None

    def source_for(self, host: Host) -> str | None:
        """What the socket is bound to; None: the system chooses."""
        return self.source_ipv6 if ":" in host.address else self.source_ipv4
