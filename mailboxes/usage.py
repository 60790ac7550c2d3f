"""What mailboxes hold, from the counters that every change keeps: for pages and reports."""

from __future__ import annotations

from dataclasses import dataclass

from domains.models import Domain
from domains.policy import MEGABYTE
from mailboxes.models import DomainUsage


@dataclass(frozen=True, slots=True)
class DomainSpace:
    """`allowed_mb` 0: the domain has no limit of its own (D-082)."""

    used_bytes: int
    messages: int
    allowed_mb: int

    @property
    def whole_bytes(self) -> int:
        """What a share is a share of: the limit, or without one all that is used."""
        return self.allowed_mb * MEGABYTE or self.used_bytes


def of_domain(domain: Domain) -> DomainSpace:
    row = DomainUsage.objects.filter(domain=domain).first() or DomainUsage()
    limits = domain.domainlimits
    return DomainSpace(row.bytes, row.messages, limits.disk_space_mb)
