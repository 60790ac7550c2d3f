"""Names of files for folders, whose names may be anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

SUFFIX = ".mbox"
LONGEST_BYTES = 150  # of a name, with room for what makes it the only one

# What some system or shell takes for something else.
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_PLAINER = {"C": "_", "Z": " "}  # control characters, and every kind of space
_DEVICE = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)$")


def names_for(folders: Iterable[str]) -> dict[str, str]:
    """A file name for each folder, of which no two are the same where case does not matter.

    Levels are joined by dots: no name has a directory, so none leads out of one.
    """
    taken: set[str] = set()
    found = {}
    for folder in folders:
        plain = _plain(folder)
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain} ({number})"
        taken.add(name.casefold())
        found[folder] = f"{name}{SUFFIX}"
    return found


def _plain(folder: str) -> str:
    text = unicodedata.normalize("NFC", folder).replace("/", ".")
    text = "".join(_PLAINER.get(unicodedata.category(one)[0], one) for one in text)
    text = _UNSAFE.sub("_", text)
    text = text.encode("utf-8", "replace")[:LONGEST_BYTES].decode("utf-8", "ignore")
    text = text.strip(" ")
    if not text.strip(".") or text[0] in ".-~" or _DEVICE.match(text.partition(".")[0]):
        text = f"_{text}"
    return text
