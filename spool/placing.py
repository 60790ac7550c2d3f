"""Where in its mailbox a message goes that is not simply for the Inbox: what was fetched (N-061).

Mail that is delivered in its acceptance needs no note of it; what waits in the spool keeps one.
"""

from __future__ import annotations

from dataclasses import dataclass


class PlacingMalformed(Exception):
    """The text is no place."""


@dataclass(frozen=True, slots=True)
class Placing:
    """One copy's folder, flags as bits of `mailboxes.models.Flag`, and INTERNALDATE."""

    folder_id: int | None = None  # None: the Inbox
    flags: int = 0
    received_at: int | None = None  # microseconds; None: when it is delivered

    def encode(self) -> str:
        """For the column `place` of a recipient."""
        return ":".join(
            "" if value is None else str(value)
            for value in (self.folder_id, self.flags, self.received_at)
        )

    @classmethod
    def parse(cls, text: str) -> Placing:
        """Empty: the Inbox, unread. Raises PlacingMalformed."""
        if not text:
            return cls()
        parts = text.split(":")
        if len(parts) != 3 or not all(not one or _is_number(one) for one in parts):
            raise PlacingMalformed(text)
        folder_id, flags, received_at = (int(one) if one else None for one in parts)
        return cls(folder_id, flags or 0, received_at)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
