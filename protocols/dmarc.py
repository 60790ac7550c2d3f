"""What a domain asks of others about mail that says to be from it. RFC 7489 §6.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from protocols.textrecords import DMARC_POLICIES, has_version, tags

VERSION = "v=DMARC1"
# RFC 7489 §6.6.3 asks for the organizational domain by a list of public suffixes; its successor
# walks up the tree instead, over so many labels at most (RFC 9091 and the DMARCbis drafts).
MOST_STEPS = 8


@dataclass(frozen=True, slots=True)
class DmarcPolicy:
    """`own` is for the domain itself, `subdomains` for those below it without a record."""

    own: str  # none, quarantine, reject
    subdomains: str

    @property
    def is_strict(self) -> bool:
        return self.own != "none"


def read(texts: Iterable[str]) -> DmarcPolicy | None:
    """The one record among the TXT of a name; None: there is none, or several. Takes any text."""
    found = [text for text in texts if has_version(text, VERSION)]
    if len(found) != 1:
        return None
    said = tags(found[0])
    own = said.get("p", "").lower()
    if own not in DMARC_POLICIES:
        own = "none"  # §6.6.3: a record that cannot be read asks for nothing
    subdomains = said.get("sp", "").lower()
    return DmarcPolicy(own, subdomains if subdomains in DMARC_POLICIES else own)


def places(domain: str) -> Iterator[str]:
    """Where its record may be, the nearest first: each has two labels at least."""
    labels = domain.strip(".").split(".")
    yield "_dmarc." + ".".join(labels)
    for start in range(max(1, len(labels) - MOST_STEPS + 1), len(labels) - 1):
        yield "_dmarc." + ".".join(labels[start:])
