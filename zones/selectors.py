"""The last checks, for pages and lists."""

from __future__ import annotations

from collections.abc import Iterable

from domains.models import Domain
from zones.findings import Finding, Level
from zones.models import ZoneCheck
from zones.services import Report


def last_report(domain: Domain) -> Report | None:
    """None: the domain was never checked."""
    row = ZoneCheck.objects.filter(domain=domain).first()
    if row is None:
        return None
    findings = tuple(
        Finding(each["check"], Level(each["level"]), each["text"]) for each in row.findings
    )
    return Report(domain, row.checked_at, findings)


def levels(domain_ids: Iterable[int]) -> dict[int, Level]:
    """For the list of domains; one that was never checked has no entry."""
    rows = ZoneCheck.objects.filter(domain_id__in=list(domain_ids))
    return {pk: Level(level) for pk, level in rows.values_list("pk", "level")}
