"""May one of our addresses send in a domain's name? RFC 7208, by the questions of a check."""

from __future__ import annotations

from typing import Any

import spf
import structlog

from spool.senderpolicy import Verdict
from zones.lookup import Lookup, Unanswered

log = structlog.get_logger(__name__)


def verdict(lookup: Lookup, *, client_ip: str, domain: str) -> Verdict:
    """What the record of `domain` says of a client there."""
    return _Query(lookup, client_ip=client_ip, domain=domain).verdict()


class _Query(spf.query):  # type: ignore[misc]  # the library is untyped
    """The library's evaluation; its questions go to the lookup of the check."""

    def __init__(self, lookup: Lookup, *, client_ip: str, domain: str) -> None:
        super().__init__(i=client_ip, s=f"postmaster@{domain}", h=domain)
        self._lookup = lookup

    def verdict(self) -> Verdict:
        try:
            found: str = self.check()[0]
            return Verdict(found)
        except Exception as error:
            # The library raises what it likes over records that make no sense.
            log.info("SPF cannot be evaluated", sender=self.s, error=repr(error))
            return Verdict.PERMERROR

    def dns(
        self, name: object, qtype: str, cnames: object = None, ignore_void: bool = False
    ) -> list[Any]:
        """Replaces the library's own questions."""
        text = str(name).rstrip(".").lower()
        if not all(0 < len(label) < 64 for label in text.split(".")) or qtype == "SPF":
            return []  # RFC 7208 §3.1: TXT records only
        try:
            values = self._lookup.ask(text, qtype).values
        except Unanswered as error:
            raise spf.TempError(f"DNS {error}") from None
        if not values and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} void look-ups")
        if qtype == "MX":
            pairs = (value.split() for value in values)
            return [(int(preference), host) for preference, host in pairs]
        return [(value.encode(),) for value in values] if qtype == "TXT" else list(values)
