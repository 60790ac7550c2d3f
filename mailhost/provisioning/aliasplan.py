"""The aliases and the catch-all of a domain in the file against those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from accounts import aliases
from accounts.aliases import NewAlias
from accounts.models import CATCH_ALL, UserAlias
from domains.errors import Refused
from mailhost.provisioning.entries import AliasEntry
from mailhost.provisioning.plan import DomainPlan, Impossible
from mailhost.provisioning.steps import Mark, differing, in_words


def plan_aliases(plan: DomainPlan) -> None:
    entries = plan.entry.user_aliases or ()
    added = [entry for entry in entries if entry.name not in plan.aliases]
    for position, entry in enumerate(added):
        if entry.targets is None:
            raise Impossible(entry.place, f"the new alias {entry.name} needs targets")
        # One call makes them all, as they may lead to each other.
        run = partial(_run_add, plan, added) if position == 0 else None
        text = f"alias {entry.name}@{plan.name} -> {', '.join(entry.targets)}"
        plan.add(Mark.ADD, text, entry.place, run)
    for entry in entries:
        if entry.name in plan.aliases:
            _change(plan, entry, plan.aliases[entry.name])
    if plan.entry.catch_all is not None:
        _plan_catch_all(plan, plan.entry.catch_all)


def _plan_catch_all(plan: DomainPlan, entry: AliasEntry) -> None:
    present = plan.aliases.get(CATCH_ALL)
    if present is not None and entry.targets:
        _change(plan, entry, present)
    elif present is not None:
        run = partial(aliases.delete_alias, alias=present, by=plan.by)
        plan.add(Mark.REMOVE, f"catch-all of {plan.name}", entry.place, run)
    elif entry.targets:
        text = f"catch-all of {plan.name} -> {', '.join(entry.targets)}"
        plan.add(Mark.ADD, text, entry.place, partial(_run_add, plan, [entry]))


def _run_add(plan: DomainPlan, entries: Sequence[AliasEntry]) -> None:
    news = [
        NewAlias(name=entry.name, targets=entry.targets or (), values=entry.values)
        for entry in entries
    ]
    aliases.add_aliases(domain=plan.domain, aliases=news, by=plan.by)


def _change(plan: DomainPlan, entry: AliasEntry, alias: UserAlias) -> None:
    values = differing(alias, entry.values)
    targets = _new_targets(plan, entry, alias)
    words = [in_words(alias, values)] if values else []
    if targets is not None:
        words.append(f"-> {', '.join(targets)}")
    if words:
        run = partial(aliases.change_alias, alias=alias, targets=targets, values=values, by=plan.by)
        plan.add(Mark.CHANGE, f"alias {alias}: {', '.join(words)}", entry.place, run)


def _new_targets(plan: DomainPlan, entry: AliasEntry, alias: UserAlias) -> tuple[str, ...] | None:
    """None: the alias leads there already, whatever the order."""
    if entry.targets is None:
        return None
    try:
        wanted = set(aliases.normal_targets(plan.domain, entry.targets))
    except Refused as error:
        raise Impossible(entry.place, str(error)) from None
    return None if wanted == set(aliases.target_names(alias)) else entry.targets
