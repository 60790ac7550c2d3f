"""Counts how sessions ended, in memory; rows get the sums now and then."""

from __future__ import annotations

import threading
from collections import Counter as Counts
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from hashlib import sha256

from django.db import transaction
from django.db.models import F

from clock.moments import utc_now
from spool.agents.tls import TlsProblem
from transport.models import TlsResult

MOST_SUBJECTS = 50_000  # between two times of writing; what is beyond them is not reported


class PolicyType(StrEnum):
    """RFC 8460 §4.4."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a session was about: one row for each end that sessions come to."""

    domain: str
    policy_type: PolicyType
    policy: tuple[str, ...]
    host: str
    host_address: str

    @property
    def policy_key(self) -> str:
        return sha256("\n".join(self.policy).encode()).hexdigest()[:16]


Key = tuple[date, Subject, str]


class Counter:
    """`count` on the event loop, `write` in a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts[Key] = Counts()

    def count(self, subject: Subject, problem: TlsProblem | None) -> None:
        key = (utc_now().date(), subject, str(problem or ""))
        with self._lock:
            if key in self._counts or len(self._counts) < MOST_SUBJECTS:
                self._counts[key] += 1

    def write(self) -> int:
        """Put into rows what has come together; how many subjects. Kept if the database fails."""
        with self._lock:
            counts, self._counts = self._counts, Counts()
        try:
            add(counts)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
            raise
        return len(counts)


def add(counts: Mapping[Key, int]) -> None:
    """Other processes add to the same rows."""
    with transaction.atomic():
        for (day, subject, problem), number in counts.items():
            row, _ = TlsResult.objects.get_or_create(
                day=day,
                domain=subject.domain,
                policy_type=subject.policy_type,
                policy_key=subject.policy_key,
                host=subject.host,
                host_address=subject.host_address,
                problem=problem,
                defaults={"policy": list(subject.policy)},
            )
            TlsResult.objects.filter(pk=row.pk).update(sessions=F("sessions") + number)
