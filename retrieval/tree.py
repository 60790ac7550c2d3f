"""Which folder here a folder of the other server becomes (N-061). Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

INBOX = "INBOX"
SEPARATOR = "/"
LEVEL_CHARACTERS = 250
NAME_CHARACTERS = 1_000
MOST_LEVELS = 32
# What a folder's name here cannot have; `mailboxes.folders` refuses it.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f%*\ud800-\udfff]")


def local_name(name: str, use: str, *, target: str, standard: Mapping[str, str]) -> str:
    """The folder here for `name`, whose levels are joined by `/`.

    The other server's INBOX becomes `target`, and so does what has no usable name. With INBOX as
    target, a folder of special use (RFC 6154: `use` as "\\Sent", empty: none) becomes the one
    that has this use here, as `standard` tells, and all others keep their names. With another
    target the whole tree stands below it.
    """
    if name.upper() == INBOX:
        return target
    if target == INBOX and use.lower() in standard:
        return standard[use.lower()]
    levels = [_level(level) for level in name.split(SEPARATOR)]
    usable = [level for level in levels if level][:MOST_LEVELS]
    if not usable:
        return target
    if target == INBOX:
        if usable[0].upper() == INBOX:
            usable[0] = INBOX
        found = SEPARATOR.join(usable)
    else:
        found = SEPARATOR.join([*target.split(SEPARATOR), *usable][:MOST_LEVELS])
    if found == INBOX or len(found) > NAME_CHARACTERS:
        return target
    return found


def _level(text: str) -> str:
    text = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", text)).strip()
    return text[:LEVEL_CHARACTERS]
