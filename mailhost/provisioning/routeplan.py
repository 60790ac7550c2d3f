"""Relayed domains, the forwarding blacklist, and what single destinations want."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from accounts import forwarding
from accounts.models import ForwardingBan
from events.audit import Actor
from mailhost.provisioning.entries import (
    BanEntry,
    RelayDomainEntry,
    SingleDestinationEntry,
    TlsPolicyEntry,
)
from mailhost.provisioning.steps import Choices, Mark, Step, differing, in_words
from spool import relaydomains, singly
from spool.models import RelayDomain, SingleDestination
from transport import overrides
from transport.models import TlsPolicyOverride

Steps = Iterator[Step]


def plan_relay_domains(
    entries: Sequence[RelayDomainEntry] | None, choices: Choices, by: Actor | None
) -> Steps:
    """None: the file does not name them. Raises Refused."""
    if entries is None:
        return
    present = {row.name: row for row in RelayDomain.objects.all()}
    for entry in entries:
        row = present.get(entry.name)
        if row is None:
            add = partial(relaydomains.add, name=entry.name, values=entry.values, by=by)
            yield Step(Mark.ADD, f"relay domain {entry.name}", entry.place, add)
        elif values := differing(row, entry.values):
            change = partial(relaydomains.change, row=row, values=values, by=by)
            words = f"relay domain {row}: {in_words(row, values)}"
            yield Step(Mark.CHANGE, words, entry.place, change)
    if choices.prune:
        for name in present.keys() - {entry.name for entry in entries}:
            remove = partial(relaydomains.remove, row=present[name], by=by)
            yield Step(Mark.REMOVE, f"relay domain {name}", None, remove)


def plan_forwarding_blacklist(
    entries: Sequence[BanEntry] | None, choices: Choices, by: Actor | None
) -> Steps:
    """None: the file does not name them. Raises Refused."""
    yield from _noted(entries, choices, by, ForwardingBan, forwarding, "no forwarding to")


def plan_single_destinations(
    entries: Sequence[SingleDestinationEntry] | None, choices: Choices, by: Actor | None
) -> Steps:
    """None: the file does not name them. Raises Refused."""
    yield from _noted(entries, choices, by, SingleDestination, singly, "one recipient at a time to")


def _noted(
    entries: Sequence[BanEntry | SingleDestinationEntry] | None,
    choices: Choices,
    by: Actor | None,
    model: Any,
    service: Any,
    words: str,
) -> Steps:
    """Names with a note; `service`: the module that adds, changes and removes them."""
    if entries is None:
        return
    present = {row.name: row for row in model.objects.all()}
    for entry in entries:
        row = present.get(entry.name)
        if row is None:
            add = partial(service.add, name=entry.name, note=entry.note or "", by=by)
            yield Step(Mark.ADD, f"{words} {entry.name}", entry.place, add)
        elif entry.note is not None and entry.note != row.note:
            change = partial(service.change, row=row, values={"note": entry.note}, by=by)
            yield Step(Mark.CHANGE, f"note of {words} {entry.name}", entry.place, change)
    if choices.prune:
        for name in present.keys() - {entry.name for entry in entries}:
            remove = partial(service.remove, row=present[name], by=by)
            yield Step(Mark.REMOVE, f"{words} {name}", None, remove)


def plan_tls_policies(
    entries: Sequence[TlsPolicyEntry] | None, choices: Choices, by: Actor | None
) -> Steps:
    """None: the file does not name them. Raises Refused."""
    if entries is None:
        return
    present = {row.destination: row for row in TlsPolicyOverride.objects.all()}
    for entry in entries:
        row = present.get(entry.destination)
        put = partial(
            overrides.set_override,
            destination=entry.destination,
            level=entry.level,
            note=entry.note,
            by=by,
        )
        words = f"TLS policy for {entry.destination}: {entry.level}"
        if row is None:
            yield Step(Mark.ADD, words, entry.place, put)
        elif row.level != entry.level or entry.note not in (None, row.note):
            yield Step(Mark.CHANGE, words, entry.place, put)
    if choices.prune:
        for name in present.keys() - {entry.destination for entry in entries}:
            remove = partial(overrides.remove_override, destination=name, by=by)
            yield Step(Mark.REMOVE, f"TLS policy for {name}", None, remove)
