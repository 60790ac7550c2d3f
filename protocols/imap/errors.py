"""What the IMAP grammar raises, and nothing else."""

from __future__ import annotations


class Malformed(Exception):
    """The bytes break the grammar; the text may be shown to the client."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class BadCharset(Malformed):
    """SEARCH names a charset other than US-ASCII and UTF-8. RFC 3501 §6.4.4."""

    def __init__(self) -> None:
        super().__init__("Only US-ASCII and UTF-8 are searched")
