"""Results in pages: a control in both directions. RFC 2696."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.ldap import ber
from protocols.ldap.ber import SEQUENCE, Malformed, Reader
from protocols.ldap.requests import Control
from protocols.ldap.results import Result, ResultCode

PAGED_RESULTS = "1.2.840.113556.1.4.319"
SUPPORTED = frozenset({PAGED_RESULTS})
LONGEST_COOKIE = 1_024
UNKNOWN_CRITICAL = Result(
    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION, "A critical control is not known here."
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a client asks: so many entries, from where the cookie says; empty: from the start."""

    size: int
    cookie: bytes


def asked_page(controls: tuple[Control, ...]) -> Page | None:
    """None: all at once. Raises Malformed."""
    for control in controls:
        if control.oid == PAGED_RESULTS:
            within = Reader(control.value or b"").enter(SEQUENCE)
            page = Page(within.integer(), within.octets())
            if len(page.cookie) > LONGEST_COOKIE:
                raise Malformed("a cookie that nobody here has given")
            return page
    return None


def unknown_critical(controls: tuple[Control, ...]) -> bool:
    """Whether the operation must not be done for one of them. RFC 4511 §4.1.11."""
    return any(one.is_critical and one.oid not in SUPPORTED for one in controls)


def encode_page(cookie: bytes) -> bytes:
    """The control of a response; an empty cookie: that was the last page. The total is not told."""
    value = ber.element(SEQUENCE, ber.integer(0), ber.string(cookie))
    return ber.element(SEQUENCE, ber.string(PAGED_RESULTS), ber.string(value))
