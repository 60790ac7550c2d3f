"""Whether a scanner in front has marked a message as spam, by the fields that scanners agree on."""

from __future__ import annotations

import re
from collections.abc import Iterable

# SpamAssassin's manual, "add_header": X-Spam-Flag says YES or is not there; X-Spam-Status begins
# with Yes or No, and details follow behind a comma. Rspamd and others write the same.
_MARKS = {
    b"x-spam-flag": ("X-Spam-Flag", re.compile(rb"\s*yes\s*", re.IGNORECASE)),
    b"x-spam-status": ("X-Spam-Status", re.compile(rb"\s*yes(?:[\s,;].*)?", re.I | re.DOTALL)),
}


def mark_in(listed: Iterable[tuple[bytes, bytes]]) -> str:
    """The name of the first field that says so; empty: none does.

    `listed`: as `protocols.message.headers.fields` gives it. A field that says no does not undo
    what another one says: who sends spam may write the first, and the scanner the second.
    """
    for name, value in listed:
        mark = _MARKS.get(name.lower())
        if mark is not None and mark[1].fullmatch(value):
            return mark[0]
    return ""
