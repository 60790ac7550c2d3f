"""What a check of a domain's records found, each with words for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """From fine to bad; UNKNOWN: DNS did not answer, so nothing can be said."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


_RANK = {level: rank for rank, level in enumerate(Level)}

TITLES = {
    "domain": "Domain name",
    "mx": "Mail servers (MX)",
    "address": "Address of the mail server",
    "ptr": "Name of the address (PTR)",
    "spf": "SPF",
    "dmarc": "DMARC",
    "dkim": "DKIM",
    "mta-sts": "MTA-STS",
    "tls-rpt": "TLS reports",
    "tlsa": "DANE (TLSA)",
    "srv": "Settings of mail programs (SRV)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a key of TITLES; `text` a whole sentence."""

    check: str
    level: Level
    text: str

    @property
    def title(self) -> str:
        return TITLES.get(self.check, self.check)


def worst(findings: Iterable[Finding]) -> Level:
    """OK if there is none."""
    return max((each.level for each in findings), key=_RANK.__getitem__, default=Level.OK)
