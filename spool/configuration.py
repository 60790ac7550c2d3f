"""Changing the spool's settings; the hot path reads them by `spool.settings`."""

from __future__ import annotations

from collections.abc import Iterator

from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from protocols.address import Address, MalformedAddress
from spool.models import SpoolSettings

# Field to the least and greatest value (S-046, S-048, S-040, S-056, S-060).
RANGES = {
    "maximum_local_deliveries": (1, 10_000),
    "maximum_remote_deliveries": (1, 10_000),
    "connections_per_destination": (1, 1_000),
    "recipients_per_transaction": (1, 10_000),
    "oldest_share_percent": (0, 50),
    "subspools": (0, 100),
    "patience_days": (1, 14),
    "null_sender_patience_days": (1, 14),
    "maximum_hops": (10, 1_000),
    "quarantine_days": (1, 30),
    "free_space_floor_percent": (0, 90),
    # The ledger's page shows a month at a time.
    "ledger_retention_days": (31, 36_500),
    "trace_retention_days": (1, 36_500),
}
LONGEST_WAIT_MINUTES = 14 * 24 * 60


def _check(row: SpoolSettings) -> None:
    if problems := tuple(_problems(row)):
        raise ValuesRefused(problems)


def _problems(row: SpoolSettings) -> Iterator[Problem]:
    for field, (least, most) in RANGES.items():
        if not least <= getattr(row, field) <= most:
            yield Problem(field, f"must be {least} to {most}")
    waits = row.retry_minutes
    are_numbers = all(type(wait) is int for wait in waits)
    if not waits or not are_numbers or not all(1 <= w <= LONGEST_WAIT_MINUTES for w in waits):
        yield Problem("retry_minutes", f"must be numbers from 1 to {LONGEST_WAIT_MINUTES}")
    if row.postmaster:
        try:
            Address.parse(row.postmaster)
        except MalformedAddress as error:
            yield Problem("postmaster", error.reason)


SPOOL = SingleRow(SpoolSettings, "spool", _check)
