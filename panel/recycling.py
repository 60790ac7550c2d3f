"""What a page that deletes says of the way back."""

from __future__ import annotations

from accounts.settings import DELETION


def in_words() -> str:
    days = DELETION.read().recycle_days
    if not days:
        return "This cannot be undone."
    span = "a day" if days == 1 else f"{days:,} days"
    return (
        f"For {span} they can be restored from the recycle bin; after that this cannot be undone."
    )
