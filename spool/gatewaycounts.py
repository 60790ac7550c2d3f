"""What this process has learnt of each gateway since it last wrote it down (G-008)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.smtp.outgoing import Verdict
from spool.decisions import words
from spool.work import Result


@dataclass(slots=True)
class GatewayCount:
    """Recipients by what came of them; the last words that were no success, in microseconds."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    last_error: str = ""
    last_error_at: int | None = None


class GatewayCounts:
    """Counts in memory, so that a message costs no row."""

    def __init__(self) -> None:
        self._counts: dict[int, GatewayCount] = {}

    def count(self, gateway_id: int, results: Sequence[Result]) -> None:
        one = self._counts.setdefault(gateway_id, GatewayCount())
        for result in results:
            if result.verdict is Verdict.DELIVERED:
                one.sent += 1
                continue
            if result.verdict is Verdict.FAILED:
                one.failed += 1
            else:
                one.deferred += 1
            one.last_error = words(result.outcome.reply)
            one.last_error_at = result.finished_at

    def take(self) -> dict[int, GatewayCount]:
        """Everything since the last time."""
        counts, self._counts = self._counts, {}
        return counts
