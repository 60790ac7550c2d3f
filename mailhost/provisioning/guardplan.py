"""Who may connect: whitelist, blacklist and the rules that detect abuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from domains.errors import Refused
from events.audit import Actor
from mailhost.provisioning.entries import FileEntry, ListedEntry, RuleEntry
from mailhost.provisioning.plan import Impossible
from mailhost.provisioning.steps import Choices, Mark, Step, differing, in_words
from operations import listing, rules
from operations.addresses import normal_network
from operations.models import AbuseRule, BlacklistEntry, WhitelistEntry

Steps = Iterator[Step]
List = type[BlacklistEntry] | type[WhitelistEntry]


def plan_guard(file: FileEntry, choices: Choices, by: Actor | None) -> Steps:
    """The whitelist comes first: what is on it cannot be blacklisted. Raises Refused."""
    yield from _listed(WhitelistEntry, "whitelist", file.whitelist, choices, by)
    yield from _listed(BlacklistEntry, "blacklist", file.blacklist, choices, by)
    yield from _rules(file.abuse_rules, choices, by)


def _listed(
    model: List, name: str, entries: Sequence[ListedEntry] | None, choices: Choices, by: Any
) -> Steps:
    present = {row.network: row for row in model._default_manager.all()} if entries else {}
    listed = set()
    for entry in entries or ():
        try:
            network = normal_network(entry.network)
            services = listing.read_services(entry.services or ())
        except Refused as error:
            raise Impossible(entry.place, str(error)) from None
        listed.add(network)
        row = present.get(network)
        values = dict(entry.values)
        if row is None:
            run: Any = partial(
                listing.add, model, network=network, services=services, by=by, **values
            )
            yield Step(Mark.ADD, f"{network} on the {name}", entry.place, run)
            continue
        if entry.services is not None:
            values["services"] = services
        if changes := differing(row, values):
            run = partial(listing.change, row=row, values=changes, by=by)
            words = in_words(row, changes)
            yield Step(Mark.CHANGE, f"{network} on the {name}: {words}", entry.place, run)
    if choices.prune and entries is not None:
        for row in model._default_manager.exclude(network__in=listed):
            remove = partial(listing.remove, row=row, by=by)
            yield Step(Mark.REMOVE, f"{row.network} on the {name}", None, remove)


def _rules(entries: Sequence[RuleEntry] | None, choices: Choices, by: Actor | None) -> Steps:
    kept = []
    for entry in entries or ():
        kind, service = entry.values["kind"], entry.values.get("service", "")
        row = AbuseRule.objects.filter(kind=kind, service=service).first()
        if row is None:
            run: Any = partial(rules.add, values=entry.values, by=by)
            yield Step(Mark.ADD, f"abuse rule {entry.name}", entry.place, run)
            continue
        kept.append(row.pk)
        if changes := differing(row, entry.values):
            run = partial(rules.change, rule=row, values=changes, by=by)
            words = in_words(row, changes)
            yield Step(Mark.CHANGE, f"abuse rule {entry.name}: {words}", entry.place, run)
    if choices.prune and entries is not None:
        named = {(entry.values["kind"], entry.values.get("service", "")) for entry in entries}
        for row in AbuseRule.objects.exclude(pk__in=kept):
            if (row.kind, row.service) not in named:
                remove = partial(rules.delete, rule=row, by=by)
                yield Step(Mark.REMOVE, f"abuse rule {row}", None, remove)
