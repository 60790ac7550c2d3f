"""Turns between domains: one domain's flood does not delay another's single message."""

from __future__ import annotations

from spool.work import Turn, Work

# Domains whose place is remembered; those that are no longer ahead of the others are forgotten.
MOST_REMEMBERED = 10_000


class Turns:
    """Numbers works so that those of one priority leave domain by domain, in rotation.

    Self-clocked fair queueing (Golestani 1994): a domain's next work stands one turn behind its
    last one, but never before the turn that is being served.
    """

    def __init__(self) -> None:
        self._present: dict[int, int] = {}  # by priority: the turn being served
        self._last: dict[tuple[int, int], int] = {}  # by priority and domain: the last one given

    def give(self, work: Work) -> Turn:
        """The place of a work that has just come."""
        first = work.recipients[0]
        key = first.priority, first.ledger_domain_id or 0
        present = self._present.get(first.priority, 0)
        number = max(present, self._last.get(key, -1) + 1)
        if len(self._last) >= MOST_REMEMBERED:
            self._forget()
        self._last[key] = number
        return (not first.is_forced, -first.priority, number)

    def served(self, turn: Turn) -> None:
        """A work with this place is leaving."""
        priority, number = -turn[1], turn[2]
        if number > self._present.get(priority, 0):
            self._present[priority] = number

    def _forget(self) -> None:
        present = self._present
        ahead = {key: last for key, last in self._last.items() if last >= present.get(key[0], 0)}
        # All of them ahead: then nobody is, compared with the others.
        self._last = ahead if len(ahead) < MOST_REMEMBERED else {}
