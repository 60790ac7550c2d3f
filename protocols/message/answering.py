"""May a machine answer this mail? RFC 3834 §2, RFC 5230 §4.5-4.6, U-042."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.address import Address, MalformedAddress, fold
from protocols.message import addresses, headers, spammarks

# RFC 2142 and what programs call themselves: nobody reads what is sent there.
_MACHINES = frozenset({"mailer-daemon", "mailerdaemon", "listserv", "majordomo", "no-reply"})
_MACHINES_BEGIN = ("owner-",)
_MACHINES_END = ("-request", "-owner", "-bounces", "-subscribe", "-unsubscribe")
_BULK = frozenset({b"bulk", b"list", b"junk"})


def refusal(
    listed: Sequence[tuple[bytes, bytes]], *, sender: str, own: frozenset[str] = frozenset()
) -> str:
    """Why no machine may answer; empty: it may.

    `listed`: as `protocols.message.headers.fields` gives it. `sender`: of the envelope, empty for
    the null sender. `own`: addresses of which one has to stand in To or Cc, in lower case; none
    given: that is not asked.
    """
    if not sender:
        return "it came from the null sender"
    if is_machine(sender) or sender.lower() in own:
        return "its sender is a program"
    values = {name.lower() for name, _ in listed}
    if any(_first_word(one) != b"no" for one in headers.named(listed, b"auto-submitted")):
        return "a program wrote it (Auto-Submitted)"
    if any(_first_word(one) in _BULK for one in headers.named(listed, b"precedence")):
        return "it went to many (Precedence)"
    if any(name.startswith(b"list-") for name in values):
        return "it came by a mailing list"
    if spammarks.mark_in(list(listed)):
        return "a scanner marked it as spam"
    if own and not own & _addressed(listed):
        return "it was not addressed to the address that answers"
    return ""


def author(listed: Sequence[tuple[bytes, bytes]], *, sender: str) -> Address | None:
    """Who wrote it: the one address of From, or the envelope's sender where From has not just one.

    None: neither is an address that mail can be sent to.
    """
    values = headers.named(listed, b"from")
    found = [one.address for value in values for one in addresses.mailboxes(value)]
    for text in (found[0] if len(found) == 1 else "", sender):
        try:
            address = Address.parse(text)
        except MalformedAddress:
            continue
        if address.domain and not address.domain.startswith("["):
            return address
    return None


def is_machine(sender: str) -> bool:
    """Whether the address is one that no person reads; also what is no address."""
    try:
        local_part = fold(Address.parse(sender).local_part)
    except MalformedAddress:
        return True
    return (
        local_part in _MACHINES
        or local_part.startswith(_MACHINES_BEGIN)
        or local_part.endswith(_MACHINES_END)
    )


def _first_word(value: bytes) -> bytes:
    return value.partition(b";")[0].partition(b"(")[0].strip().lower()


def _addressed(listed: Sequence[tuple[bytes, bytes]]) -> set[str]:
    return {
        entry.address.lower()
        for name in (b"to", b"cc")
        for value in headers.named(listed, name)
        for entry in addresses.mailboxes(value)
    }
