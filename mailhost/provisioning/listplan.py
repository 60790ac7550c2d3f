"""The mailing lists of a domain in the file against those that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from django.contrib.auth.hashers import check_password

from mailhost.provisioning.entries import MailingListEntry, SubscriberEntry
from mailhost.provisioning.plan import DomainPlan
from mailhost.provisioning.steps import Mark, differing, in_words
from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Mode, Subscriber, SubscriberState
from protocols.address import Address, fold


def plan_lists(plan: DomainPlan) -> None:
    there = _there(plan)
    for entry in plan.entry.mailing_lists or ():
        row = there.get(entry.name)
        if row is None:
            text = f"mailing list {entry.name}@{plan.name}"
            plan.add(Mark.ADD, text, entry.place, partial(_run_create, plan, entry))
        else:
            _change(plan, entry, row)
        _plan_subscribers(plan, entry, row)


def prune_lists(plan: DomainPlan) -> None:
    """Lists that the file does not have; before anything is added."""
    if plan.entry.mailing_lists is None:
        return
    kept = {entry.name for entry in plan.entry.mailing_lists}
    for name, row in _there(plan).items():
        if name not in kept:
            run = partial(services.delete_list, mailing_list=row, by=plan.by)
            plan.add(Mark.REMOVE, f"mailing list {row}", plan.entry.place, run)


def _there(plan: DomainPlan) -> dict[str, MailingList]:
    if plan.found is None:
        return {}
    rows = MailingList.objects.select_related("domain").filter(domain=plan.found)
    return {row.local_part: row for row in rows}


def _run_create(plan: DomainPlan, entry: MailingListEntry) -> None:
    services.create_list(
        domain=plan.domain,
        local_part=entry.name,
        values=entry.values,
        moderators=entry.moderators or (),
        poster_rules=entry.poster_rules or (),
        post_password=entry.post_password or "",
        by=plan.by,
        needs_feature=False,
    )


def _change(plan: DomainPlan, entry: MailingListEntry, row: MailingList) -> None:
    values = differing(row, entry.values)
    words = [in_words(row, values)] if values else []
    moderators, rules = entry.moderators, entry.poster_rules
    if moderators is not None:
        wanted = sorted({fold(name.partition("@")[0]) for name in moderators})
        if wanted == services.moderator_names(row):
            moderators = None
        else:
            words.append(f"moderators {', '.join(wanted) or 'none'}")
    if rules is not None:
        if sorted(f"{kind} {pattern}" for pattern, kind in rules) == services.rules_of(row):
            rules = None
        else:
            words.append(f"{len(rules)} rules about posters")
    password = entry.post_password
    if password is not None and _has_password(row, password):
        password = None
    elif password is not None:
        words.append("post password")
    if words:
        run = partial(
            services.change_list, mailing_list=row, values=values, moderators=moderators,
            poster_rules=rules, post_password=password, by=plan.by,
        )  # fmt: skip
        plan.add(Mark.CHANGE, f"mailing list {row}: {', '.join(words)}", entry.place, run)


def _has_password(row: MailingList, password: str) -> bool:
    if not password or not row.post_password:
        return not password and not row.post_password
    return check_password(password, row.post_password)


def _plan_subscribers(plan: DomainPlan, entry: MailingListEntry, row: MailingList | None) -> None:
    """One step for all that are new, as there may be very many, and one for each that changes."""
    if entry.subscribers is None:
        return
    there: dict[str, Subscriber] = {}
    if row is not None:
        there = {one.key: one for one in Subscriber.objects.filter(mailing_list=row)}
    keys = {_key(one): one for one in entry.subscribers}
    new = [one for key, one in keys.items() if key not in there]
    if new:
        text = f"{len(new)} subscribers of {entry.name}@{plan.name}"
        plan.add(Mark.ADD, text, entry.place, partial(_run_subscribe, plan, entry.name, new))
    for key, wanted in keys.items():
        found = there.get(key)
        if found is not None and (words := ", ".join(_differences(found, wanted))):
            run = partial(_run_change, plan, entry.name, wanted)
            text = f"subscriber {found} of {entry.name}@{plan.name}: {words}"
            plan.add(Mark.CHANGE, text, wanted.place, run)
    if plan.choices.prune and row is not None:
        gone = [one.address for key, one in there.items() if key not in keys]
        if gone:
            text = f"{len(gone)} subscribers of {row}"
            remove = partial(
                membership.remove_subscribers, mailing_list=row, addresses=gone, by=plan.by
            )
            plan.add(Mark.REMOVE, text, entry.place, remove)


def _run_subscribe(plan: DomainPlan, name: str, new: Sequence[SubscriberEntry]) -> None:
    row = _list(plan, name)
    rows = (
        NewSubscriber(one.address, one.name or "", one.mode or Mode.STANDARD.value) for one in new
    )
    for _ in membership.import_subscribers(mailing_list=row, rows=rows, by=plan.by):
        pass
    for one in new:
        if one.is_suspended:
            _run_change(plan, name, one)


def _differences(found: Subscriber, wanted: SubscriberEntry) -> Iterator[str]:
    if wanted.name is not None and membership.clean_name(wanted.name) != found.name:
        yield f"name {found.name or 'none'} -> {wanted.name or 'none'}"
    if wanted.mode is not None and wanted.mode != found.mode:
        yield f"mode {found.mode} -> {wanted.mode}"
    if _is_switched(found, wanted):
        yield "suspended" if wanted.is_suspended else "no longer suspended"


def _is_switched(found: Subscriber, wanted: SubscriberEntry) -> bool:
    """Who has not confirmed is neither."""
    is_suspended = found.state == SubscriberState.SUSPENDED
    if wanted.is_suspended is None or found.state == SubscriberState.UNCONFIRMED:
        return False
    return wanted.is_suspended != is_suspended


def _run_change(plan: DomainPlan, name: str, wanted: SubscriberEntry) -> None:
    row = Subscriber.objects.select_related("mailing_list__domain").get(
        mailing_list=_list(plan, name), key=_key(wanted)
    )
    if _is_switched(row, wanted):
        change = membership.suspend if wanted.is_suspended else membership.resume
        row = change(subscriber=row, by=plan.by)
    membership.change_subscriber(subscriber=row, mode=wanted.mode, name=wanted.name, by=plan.by)


def _list(plan: DomainPlan, name: str) -> MailingList:
    rows = MailingList.objects.select_related("domain")
    return rows.get(domain=plan.domain, local_part=name)


def _key(entry: SubscriberEntry) -> str:
    return Address.parse(entry.address).key
