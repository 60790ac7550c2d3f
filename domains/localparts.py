"""Local parts that accounts, aliases and lists of a domain may have, as stored (U-011)."""

from __future__ import annotations

import re

from domains.errors import Refused
from protocols.address import fold

MAX_LOCAL_PART_BYTES = 64  # RFC 5321 §4.5.3.1.1

_ALLOWED = re.compile(r"[\w+-]+(?:\.[\w+-]+)*")


class LocalPartMalformed(Refused):
    """The text cannot stand before the @ of an address of ours."""

    def __init__(self, local_part: str, reason: str) -> None:
        super().__init__(f"{local_part!r} cannot be used before the @: {reason}")
        self.local_part = local_part
        self.reason = reason


def read_local_part(text: str) -> str:
    """The normal form: lower case, composed. Raises LocalPartMalformed.

    Letters of any script and digits (RFC 6531), and the signs `.-_+`.
    """
    folded = fold(text)
    if not _ALLOWED.fullmatch(folded):
        raise LocalPartMalformed(text, "use letters, digits, and . - _ + between them")
    if len(folded.encode()) > MAX_LOCAL_PART_BYTES:
        raise LocalPartMalformed(text, f"it is longer than {MAX_LOCAL_PART_BYTES} octets")
    return folded
