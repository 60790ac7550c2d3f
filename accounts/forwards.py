"""What users have their mail forwarded to, checked and in its normal form (U-036)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts import aliastargets, forwarding
from accounts.errors import TargetMalformed
from accounts.models import User
from domains.errors import Problem, ValuesRefused
from domains.models import Domain
from protocols.address import Address

MOST_TARGETS = 20


def normal(user: User, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`values` with addresses in `forward_to`: whole, once each, by primary names of domains.

    Raises ValuesRefused, ForwardingRefused (G-046). An address of the domain that
    does not exist is taken: its user or alias may come later, and till then all mail is kept.
    """
    given = values.get("forward_to")
    domain = user.domain
    if not given or domain is None or not isinstance(given, list):
        return values
    if not all(isinstance(text, str) for text in given):
        raise ValuesRefused((Problem("forward_to", "must be a list of addresses"),))
    return {**values, "forward_to": _read(domain, user.local_part, given)}


def _read(domain: Domain, own_name: str, texts: list[str]) -> list[str]:
    places = list(dict.fromkeys(_locate(domain, text) for text in texts))
    if len(places) > MOST_TARGETS:
        raise ValuesRefused((Problem("forward_to", f"must not be more than {MOST_TARGETS}"),))
    for place in places:
        if (place.domain_id, place.local_part) == (domain.pk, own_name):
            raise _refused(str(place), "mail would come back to the same mailbox")
    forwarding.require_allowed(
        domain, ((str(place), place.domain_name) for place in places if place.domain_id is None)
    )
    return [Address(place.local_part, place.domain_name).encode() for place in places]


def _locate(domain: Domain, text: str) -> aliastargets.Place:
    try:
        return aliastargets.locate(domain, text.strip())
    except TargetMalformed as error:
        raise _refused(error.target, error.reason) from None


def _refused(target: str, reason: str) -> ValuesRefused:
    return ValuesRefused((Problem("forward_to", f"{target}: {reason}"),))
