"""Why a message or a recipient is not taken: facts, each with what a door needs to say so."""

from __future__ import annotations


class Refused(Exception):
    """Base of every refusal. `is_temporary` None: the door's settings decide."""


class AddressUnknown(Refused):
    """The domain is ours, the local part leads nowhere (550 5.1.1)."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class RelayDenied(Refused):
    """The domain is not ours, and this sender may not relay (550 5.7.1). G-041."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class DomainDisabled(Refused):
    """D-036: 550 5.2.1, or 450 4.2.1 by setting."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        self.domain = domain


class DomainBusy(Refused):
    """The domain is being renamed or deleted (450 4.2.1). D-008, D-113."""

    def __init__(self, domain: str) -> None:
        super().__init__(domain)
        self.domain = domain


class AccountDisabled(Refused):
    """U-016: 550 5.2.1."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class NotForOutsiders(Refused):
    """The alias takes mail of its own domain only (550 5.7.1). U-031."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class ForwardingForbidden(Refused):
    """All that the address leads to is on the forwarding blacklist (550 5.7.1). G-047."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class AliasLoop(Refused):
    """The address leads back to itself (550 5.4.6). U-030."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class PostRefused(Refused):
    """Who sends may not post to the list (550 5.7.1). L-004."""

    def __init__(self, address: str, words: str) -> None:
        super().__init__(f"{address}: {words}")
        self.address = address
        self.words = words


class PostTooLarge(Refused):
    """Larger than posts to the list may be (552 5.2.3). L-014."""

    def __init__(self, address: str, size_bytes: int, allowed_bytes: int) -> None:
        super().__init__(f"{address}: {size_bytes} of {allowed_bytes} bytes")
        self.address = address
        self.size_bytes = size_bytes
        self.allowed_bytes = allowed_bytes


class TooManyReports(Refused):
    """A mailbox or domain has had its hour of reports: 451 4.7.1 until it ends (T-007)."""

    def __init__(self, who: str, received: int, allowed: int) -> None:
        super().__init__(f"{who}: {received} of {allowed} reports")
        self.who = who
        self.received = received
        self.allowed = allowed


class SpoolFull(Refused):
    """Not enough space to take responsibility for a message (452 4.3.1). S-057."""


class MessageLoops(Refused):
    """The message has been here or passed too many servers (554 5.4.6). S-056."""

    def __init__(self, hops: int, allowed: int) -> None:
        super().__init__(f"{hops} of {allowed} hops")
        self.hops = hops
        self.allowed = allowed


class BodyTooLarge(Refused):
    """552 5.3.4. D-090, N-020."""

    def __init__(self, size_bytes: int, allowed_bytes: int) -> None:
        super().__init__(f"{size_bytes} of {allowed_bytes} bytes")
        self.size_bytes = size_bytes
        self.allowed_bytes = allowed_bytes


class MessageUnknown(Exception):
    """No such message is in the spool or its trace, or not for this actor."""

    def __init__(self, message_id: int) -> None:
        super().__init__(f"there is no message {message_id}")
        self.message_id = message_id


class MessageGone(Exception):
    """The message has left the spool: its bytes are no longer here."""

    def __init__(self, message_id: int) -> None:
        super().__init__("the message has left the spool")
        self.message_id = message_id
