"""May one of our addresses send in a domain's name? RFC 7208, by the questions of a check."""

from __future__ import annotations

from typing import Any

import spf

from spool.senderpolicy import Evaluation, Verdict
from zones.lookup import Lookup, Unanswered


def verdict(lookup: Lookup, *, client_ip: str, domain: str) -> Verdict:
    """What the record of `domain` says of a client there."""
    return _Query(lookup, client_ip=client_ip, domain=domain).verdict()


class _Query(Evaluation):
    """Its questions go to the lookup of the check."""

    def __init__(self, lookup: Lookup, *, client_ip: str, domain: str) -> None:
        super().__init__(i=client_ip, s=f"postmaster@{domain}", h=domain)
        self._lookup = lookup

    def records(self, name: str, qtype: str) -> list[Any]:
        try:
            values = self._lookup.ask(name, qtype).values
        except Unanswered as error:
            raise spf.TempError(f"DNS {error}") from None
        if qtype == "MX":
            pairs = (value.split() for value in values)
            return [(int(preference), host) for preference, host in pairs]
        return [(value.encode(),) for value in values] if qtype == "TXT" else list(values)
