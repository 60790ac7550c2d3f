"""Under which sender mail leaves that is sent on from an address of ours (U-036)."""

from __future__ import annotations

from accounts import secrets
from clock.moments import utc_now
from domains import directory as domain_directory
from protocols import srs
from protocols.address import Address, MalformedAddress
from protocols.message import received

PURPOSE = "sender rewriting"


def is_forwarded(address: str, original_address: str) -> bool:
    """Whether a recipient elsewhere was reached by an alias or a forward of ours."""
    return bool(original_address) and address.lower() != original_address.lower()


def sender_for(sender: str, original_address: str) -> str:
    """The sender for the next server: one of ours, so that SPF passes and reports come back.

    The null sender stays, and so does a sender in a domain of ours. Asks the directory of domains.
    """
    if not sender:
        return sender
    try:
        address, forwarder = Address.parse(sender), Address.parse(original_address)
    except MalformedAddress:
        return sender
    if not forwarder.domain or domain_directory.by_name(address.domain) is not None:
        return sender
    return srs.rewrite(
        address, forwarder.domain, secret=secrets.derive(PURPOSE), day=_day()
    ).encode()


def restore(local_part: str) -> Address:
    """Who wrote the mail that left under this sender. Raises protocols.srs.NotRewritten."""
    refused = srs.NotRewritten("no key")
    for secret in secrets.derivations(PURPOSE):  # it may have left before the server key changed
        try:
            return srs.restore(local_part, secret=secret, day=_day())
        except srs.NotRewritten as error:
            refused = error
    raise refused


def mark(original_address: str) -> bytes:
    """The line by which mail that comes back in a circle is known (S-056)."""
    return received.delivered_to(original_address)


def _day() -> int:
    return utc_now().toordinal()
