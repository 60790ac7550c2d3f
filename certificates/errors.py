"""What the services of certificates refuse, as facts with fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domains.errors import Refused


@dataclass(eq=False)
class CertificateRefused(Refused):
    """It would not serve the host's clients; nothing was changed."""

    reason: str

    def __str__(self) -> str:
        return f"the certificate cannot be used: {self.reason}"


@dataclass(eq=False)
class CertificateUnknown(Refused):
    """There is none for the host."""

    host: str

    def __str__(self) -> str:
        return f"there is no certificate for {self.host}"


@dataclass(eq=False)
class DefaultNeeded(Refused):
    """Clients that name no host are shown it, so it cannot go away."""

    def __str__(self) -> str:
        return (
            "the default certificate cannot be removed; one installed for MAILHOST_HOSTNAME"
            " takes its place"
        )


@dataclass(eq=False)
class AcmeOff(Refused):
    """The operator has not agreed to order certificates."""

    def __str__(self) -> str:
        return (
            "ordering certificates is off: read the terms of the certificate authority, then set"
            " is_enabled and agrees_to_terms of the acme settings"
        )


@dataclass(eq=False)
class NotOrderable(Refused):
    """HTTP-01 proves single host names only. RFC 8555 §8.3."""

    host: str

    def __str__(self) -> str:
        return f"{self.host} cannot be proven over HTTP: a wildcard has to be installed by hand"


@dataclass(eq=False)
class BetterOneInUse(Refused):
    """A certificate for trial would push out one that clients trust."""

    host: str
    issuer: str
    not_after: datetime

    def __str__(self) -> str:
        return (
            f"{self.host} has a certificate of {self.issuer}, good until"
            f" {self.not_after:%Y-%m-%d}: remove it before one for trial takes its place"
        )


@dataclass(eq=False)
class OrderFailed(Refused):
    """The certificate authority gave none, or could not be reached."""

    host: str
    reason: str

    def __str__(self) -> str:
        return f"no certificate for {self.host}: {self.reason}"
