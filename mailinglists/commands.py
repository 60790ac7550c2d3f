"""List commands as people write them in a mail: one on each line of its text (L-030).

No database and no clock: `parse` takes any text, and what it gives says only what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from mailinglists.models import Mode

MOST_LINES = 20
# A token is 27 characters; a name of a list has at most 64 and a domain 253.
LONGEST_WORD = 330
LONGEST_NAME = 120
LONGEST_REASON = 500

# RFC 3676 §4.3; many programs cut the blank off.
_SIGNATURES = ("-- ", "--")
_QUOTED = re.compile(r"\s*>[>\s]*")
# What programs put around a line or behind it when they quote or close a sentence.
_AROUND = "*_`\"'<>"
_TOKEN = re.compile(r"[0-9a-zA-Z]{20,60}")


@dataclass(frozen=True, slots=True)
class Subscribe:
    """L-031. `list_name` empty: the list whose address was written to."""

    list_name: str = ""
    name: str = ""  # of the person; empty: none given


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """L-032."""

    list_name: str = ""


@dataclass(frozen=True, slots=True)
class Lists:
    """L-033."""


@dataclass(frozen=True, slots=True)
class Help:
    """L-034. `list_name` empty: of the commands."""

    list_name: str = ""


@dataclass(frozen=True, slots=True)
class SetMode:
    """L-035."""

    mode: Mode
    list_name: str = ""


@dataclass(frozen=True, slots=True)
class Who:
    """L-036."""

    list_name: str = ""


@dataclass(frozen=True, slots=True)
class Which:
    """L-037."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """L-038, and what else a token stands for: it says itself what it completes."""

    token: str


@dataclass(frozen=True, slots=True)
class Approve:
    """L-005: a moderator lets a post go out."""

    token: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """L-005. `reason` goes to the author; empty: none is given."""

    token: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A command of ours with words that make no sense; `usage` is how it should read."""

    usage: str


Command = (
    Subscribe
    | Unsubscribe
    | Lists
    | Help
    | SetMode
    | Who
    | Which
    | Confirm
    | Approve
    | Refuse
    | Malformed
)

USAGES = {
    "subscribe": "subscribe LIST",
    "unsubscribe": "unsubscribe LIST",
    "lists": "lists",
    "help": "help LIST",
    "set": "set mode digest LIST (or: set mode standard LIST)",
    "who": "who LIST",
    "which": "which",
    "confirm": "confirm CODE",
    "approve": "approve CODE",
    "refuse": "refuse CODE REASON",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One command with the words that asked for it, which the reply repeats."""

    line: str
    command: Command


def parse(text: str) -> list[Asked]:
    """The commands of a mail's text, at most MOST_LINES; empty: there is none.

    Reading stops at a signature, at `end`, or at the first line behind a command that is none.
    """
    asked: list[Asked] = []
    for line in _lines(text):
        command = _read(line)
        if command is None:
            if asked:
                break
            continue
        if command not in [one.command for one in asked]:
            asked.append(Asked(line, command))
    return asked


def tokens_in(text: str) -> list[str]:
    """Codes that a reply quotes as `> confirm CODE` or bears in its subject: "Re: confirm CODE".

    So it is enough to press Reply and Send.
    """
    found = []
    for line in text.split("\n")[:200]:
        words = _QUOTED.sub("", line[:LONGEST_WORD]).split()
        for word, code in pairwise(words):
            if word.lower() == "confirm" and (token := _token(code)) and token not in found:
                found.append(token)
    return found[:MOST_LINES]


def encode(command: Command) -> str:
    """The line that asks for it; of Malformed its usage."""
    match command:
        case Subscribe(list_name, name):
            return " ".join(filter(None, ("subscribe", list_name, name)))
        case Unsubscribe(list_name):
            return f"unsubscribe {list_name}".strip()
        case Lists():
            return "lists"
        case Help(list_name):
            return f"help {list_name}".strip()
        case SetMode(mode, list_name):
            return f"set mode {mode} {list_name}".strip()
        case Who(list_name):
            return f"who {list_name}".strip()
        case Which():
            return "which"
        case Confirm(token):
            return f"confirm {token}"
        case Approve(token):
            return f"approve {token}"
        case Refuse(token, reason):
            return f"refuse {token} {reason}".strip()
        case Malformed(usage):
            return usage


def _lines(text: str) -> Iterator[str]:
    """Those that say something, up to the signature."""
    count = 0
    for line in text.split("\n"):
        if line.rstrip("\r") in _SIGNATURES or count == MOST_LINES:
            return
        words = line[: 3 * LONGEST_WORD].split()
        if not words:
            continue
        if len(words) == 1 and words[0].lower() in ("end", "quit"):
            return
        count += 1
        yield " ".join(words)


def _read(line: str) -> Command | None:
    """None: the line is no command."""
    verb, _, rest = line.partition(" ")
    reader = _READERS.get(verb.lower())
    return None if reader is None else reader(rest.split())


def _subscribe(words: list[str]) -> Command:
    name = " ".join(words[1:])[:LONGEST_NAME].strip()
    return _of_list("subscribe", words[:1], lambda named: Subscribe(named, name if named else ""))


def _unsubscribe(words: list[str]) -> Command:
    return _of_list("unsubscribe", words, Unsubscribe)


def _lists(_words: list[str]) -> Command:
    return Lists()


def _help(words: list[str]) -> Command:
    return _of_list("help", words, Help)


def _set(words: list[str]) -> Command:
    if len(words) >= 2 and words[0].lower() == "mode" and words[1].lower() in list(Mode):
        mode = Mode(words[1].lower())
        return _of_list("set", words[2:], lambda named: SetMode(mode, named))
    return Malformed(USAGES["set"])


def _who(words: list[str]) -> Command:
    return _of_list("who", words, Who)


def _which(_words: list[str]) -> Command:
    return Which()


def _confirm(words: list[str]) -> Command:
    token = _token(words[0]) if words else ""
    return Confirm(token) if token else Malformed(USAGES["confirm"])


def _approve(words: list[str]) -> Command:
    token = _token(words[0]) if words else ""
    return Approve(token) if token else Malformed(USAGES["approve"])


def _refuse(words: list[str]) -> Command:
    token = _token(words[0]) if words else ""
    reason = " ".join(words[1:])[:LONGEST_REASON].strip()
    return Refuse(token, reason) if token else Malformed(USAGES["refuse"])


def _of_list(verb: str, words: list[str], make: Callable[[str], Command]) -> Command:
    if not words:
        return make("")
    name = words[0].strip(_AROUND).rstrip(".,;:!")
    return make(name) if 0 < len(name) <= LONGEST_WORD else Malformed(USAGES[verb])


def _token(word: str) -> str:
    match = _TOKEN.fullmatch(word.strip(_AROUND).rstrip(".,;:!"))
    return match[0].lower() if match and match[0].isascii() else ""


_READERS: dict[str, Callable[[list[str]], Command]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "list": _lists,
    "lists": _lists,
    "help": _help,
    "set": _set,
    "who": _who,
    "review": _who,
    "which": _which,
    "confirm": _confirm,
    "approve": _approve,
    "refuse": _refuse,
}
