"""MTA-STS: the policy file and the record that announces it. RFC 8461."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from protocols import textrecords

VERSION = "STSv1"
LONGEST_BYTES = 64 * 1024  # RFC 8461 §3.3
LONGEST_SECONDS = 31_557_600  # RFC 8461 §3.2: about a year
MOST_HOSTS = 100

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_PATTERN = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Mode(StrEnum):
    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class MalformedPolicy(Exception):
    """The bytes are no policy, for the reason given."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`hosts` are names or `*.names`, in lower case."""

    mode: Mode
    max_age_seconds: int
    hosts: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """RFC 8461 §4.1: a star stands for exactly one label."""
        host = host.lower().rstrip(".")
        return host in self.hosts or f"*.{host.partition('.')[2]}" in self.hosts

    @property
    def lines(self) -> tuple[str, ...]:
        return (
            f"version: {VERSION}",
            f"mode: {self.mode}",
            *(f"mx: {host}" for host in self.hosts),
            f"max_age: {self.max_age_seconds}",
        )

    def encode(self) -> bytes:
        return "".join(f"{line}\r\n" for line in self.lines).encode("ascii")


def parse(body: bytes) -> Policy:
    """Raises MalformedPolicy and nothing else. Unknown keys are passed over (RFC 8461 §3.2)."""
    if len(body) > LONGEST_BYTES:
        raise MalformedPolicy("it is too long")
    single: dict[str, str] = {}
    hosts: list[str] = []
    for line in body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon:
            continue
        if name == "mx":
            hosts.append(value.lower().rstrip("."))
        else:
            # RFC 8461 §3.2: of a key that comes twice, the first counts.
            single.setdefault(name, value)
    return _read(single, hosts)


def _read(single: dict[str, str], hosts: list[str]) -> Policy:
    if single.get("version") != VERSION:
        raise MalformedPolicy("it does not begin with the version STSv1")
    if single.get("mode") not in tuple(Mode):
        raise MalformedPolicy("its mode is none of enforce, testing, none")
    mode = Mode(single["mode"])
    age = single.get("max_age", "")
    if not (age.isascii() and age.isdecimal() and len(age) <= 10):
        raise MalformedPolicy("its max_age is no number of seconds")
    if len(hosts) > MOST_HOSTS or not all(map(_PATTERN.fullmatch, hosts)):
        raise MalformedPolicy("its mx lines are no host names, or too many")
    if not hosts and mode is not Mode.NONE:
        raise MalformedPolicy("it names no mx")
    return Policy(mode, min(int(age), LONGEST_SECONDS), tuple(hosts))


def announced_id(texts: Iterable[str]) -> str | None:
    """The id in the one record among the TXT records; None: no policy. RFC 8461 §3.1."""
    records = [text for text in texts if textrecords.has_version(text, f"v={VERSION}")]
    if len(records) != 1:
        return None
    found = textrecords.tags(records[0]).get("id", "")
    return found if _ID.fullmatch(found) else None
