"""Whether others refuse mail of an author that a list sends on: his domain's DMARC (L-008)."""

from __future__ import annotations

import time
from collections import OrderedDict

from protocols import dmarc
from protocols.address import MalformedAddress, parse_domain
from spool.resolver import LookupFailed, Resolver

# The resolver remembers answers for as long as they say; this spares the walk up the tree.
LASTING_SECONDS = 600.0
MOST_REMEMBERED = 10_000


class Authors:
    """Answers of this process. Asked on its loop alone."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def are_guarded(self, domain: str) -> bool:
        """Whether mail from there is refused or set aside where the domain has not sent it itself.

        Where DNS cannot answer: yes. A changed From harms nobody; mail that is refused does.
        """
        try:
            name = parse_domain(domain)
        except MalformedAddress:
            return False
        known = self._known.get(name)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            answer = await self._ask(name)
        except LookupFailed:
            return True
        self._known[name] = (time.monotonic() + LASTING_SECONDS, answer)
        self._known.move_to_end(name)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return answer

    async def _ask(self, name: str) -> bool:
        for place in dmarc.places(name):
            records = await self._resolver.records(place, "TXT")
            texts = [record.decode("latin-1") for record in records if isinstance(record, bytes)]
            policy = dmarc.read(texts)
            if policy is not None:
                is_own = place == f"_dmarc.{name}"
                return (policy.own if is_own else policy.subdomains) != "none"
        return False
