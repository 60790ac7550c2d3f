"""What belongs to the whole server: settings, networks, plans, people, gateways."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from accounts import plans, services
from accounts.models import Plan, ResellerPlan, Role, User
from domains import defaults
from domains.errors import Refused, ValuesRefused
from events.audit import Actor
from mailhost.provisioning.entries import (
    DefaultsEntry,
    FileEntry,
    GatewayEntry,
    PersonEntry,
    PlanEntry,
    SettingsEntry,
)
from mailhost.provisioning.guardplan import plan_guard
from mailhost.provisioning.plan import Impossible
from mailhost.provisioning.routeplan import (
    plan_forwarding_blacklist,
    plan_relay_domains,
    plan_single_destinations,
    plan_tls_policies,
)
from mailhost.provisioning.settings import SETTINGS
from mailhost.provisioning.steps import (
    Choices,
    Mark,
    Step,
    differing,
    has_credentials,
    in_words,
)
from operations import relay
from operations.errors import NetworkMalformed, NetworkTooWide
from operations.models import RelayNetwork
from spool import gateways
from spool.models import Gateway

Steps = Iterator[Step]


def plan_system(file: FileEntry, choices: Choices, by: Actor | None) -> Steps:
    """What domains rely on, and so comes before them. Raises Refused."""
    for settings in file.settings:
        yield from _settings(settings, by)
    if file.domain_defaults is not None:
        yield from _domain_defaults(file.domain_defaults, by)
    yield from _networks(file, choices, by)
    yield from plan_relay_domains(file.relay_domains, choices, by)
    yield from plan_single_destinations(file.single_destinations, choices, by)
    yield from plan_tls_policies(file.tls_policies, choices, by)
    yield from plan_guard(file, choices, by)
    for plan in file.plans:
        yield from _plan(plan, by)
    for person in file.system_administrators:
        yield from _person(person, Role.SYSTEM_ADMINISTRATOR, choices, by)
    for person in file.resellers:
        yield from _person(person, Role.RESELLER, choices, by)
        yield from _put_on_plan(person, by)


def plan_gateways(file: FileEntry, choices: Choices, by: Actor | None) -> Steps:
    """After the domains, which gateways may name as senders. Raises Refused.

    So is the forwarding blacklist, as forwards from before an entry may stay as they are.
    """
    yield from plan_forwarding_blacklist(file.forwarding_blacklist, choices, by)
    for entry in file.gateways or ():
        yield from _gateway(entry, choices, by)
    if choices.prune and file.gateways is not None:
        names = [entry.name for entry in file.gateways]
        place = file.gateways[0].place if file.gateways else None
        for row in Gateway.objects.exclude(name__in=names):
            run = partial(gateways.delete, gateway=row, by=by)
            yield Step(Mark.REMOVE, f"gateway {row}", place, run)


def _settings(entry: SettingsEntry, by: Actor | None) -> Steps:
    row = SETTINGS[entry.name].load()
    if values := differing(row, entry.values):
        run = partial(SETTINGS[entry.name].change, values, by=by)
        yield Step(Mark.CHANGE, f"{entry.name} settings: {in_words(row, values)}", entry.place, run)


def _domain_defaults(entry: DefaultsEntry, by: Actor | None) -> Steps:
    present, changes, words = defaults.current(), {}, []
    for part, given in entry.values.items():
        row = defaults.PARTS[part](**present[part])
        if values := differing(row, given):
            changes[part] = values
            words.append(in_words(row, values))
    if changes:
        run = partial(defaults.change, values=changes, by=by)
        text = f"defaults for new domains: {', '.join(words)}"
        yield Step(Mark.CHANGE, text, entry.place, run)


def _networks(file: FileEntry, choices: Choices, by: Actor | None) -> Steps:
    present = {row.network: row for row in RelayNetwork.objects.all()}
    listed = set()
    for entry in file.relay_networks or ():
        try:
            network = relay.read_network(entry.network)
            chosen = None if entry.services is None else relay.read_services(entry.services)
        except (NetworkMalformed, NetworkTooWide, ValuesRefused) as error:
            raise Impossible(entry.place, str(error)) from None
        listed.add(network)
        row = present.get(network)
        given = {"services": chosen, "note": entry.note}
        values: Any = {name: value for name, value in given.items() if value is not None}
        if row is None:
            run = partial(relay.add, network=network, by=by, **values)
            yield Step(Mark.ADD, f"relay network {network}", entry.place, run)
        elif changes := differing(row, values):
            change = partial(relay.change, row=row, values=changes, by=by)
            text = f"relay network {network}: {in_words(row, changes)}"
            yield Step(Mark.CHANGE, text, entry.place, change)
    if choices.prune and file.relay_networks is not None:
        for network, row in present.items():
            if network not in listed:
                remove = partial(relay.remove, row=row, by=by)
                yield Step(Mark.REMOVE, f"relay network {network}", None, remove)


def _plan(entry: PlanEntry, by: Actor | None) -> Steps:
    row = Plan.objects.filter(name=entry.name).first()
    if row is None:
        run: Any = partial(plans.add, name=entry.name, values=entry.values, by=by)
        yield Step(Mark.ADD, f"plan {entry.name}", entry.place, run)
    elif values := differing(row, entry.values):
        run = partial(plans.change, plan=row, values=values, by=by)
        yield Step(Mark.CHANGE, f"plan {row}: {in_words(row, values)}", entry.place, run)


def _person(entry: PersonEntry, role: Role, choices: Choices, by: Actor | None) -> Steps:
    user = User.objects.filter(domain=None, local_part=entry.username).first()
    if user is not None and user.role != role:
        raise Impossible(entry.place, f"{user} is a {user.get_role_display().lower()} already")
    if user is None:
        verifiers = _verifiers(entry, choices)
        add = partial(
            services.add_person,
            username=entry.username,
            role=role,
            verifiers=verifiers,
            values=entry.values,
            by=by,
        )
        note = "" if verifiers else " (no password: cannot log in yet)"
        yield Step(Mark.ADD, f"{role.label.lower()} {entry.username}{note}", entry.place, add)
        return
    if values := differing(user, entry.values):
        run = partial(services.change_user, user=user, values=values, by=by)
        yield Step(Mark.CHANGE, f"{user}: {in_words(user, values)}", entry.place, run)
    if not has_credentials(user, entry) and (verifiers := _verifiers(entry, choices)):
        set_ = partial(services.set_verifiers, user=user, verifiers=verifiers, by=by)
        yield Step(Mark.CHANGE, f"password of {user}", entry.place, set_)


def _verifiers(entry: PersonEntry, choices: Choices) -> Any:
    try:
        return choices.verifiers(entry)
    except Refused as error:
        raise Impossible(entry.place, f"{entry.username}: {error}") from None


def _put_on_plan(entry: PersonEntry, by: Actor | None) -> Steps:
    if entry.plan is None:
        return
    present = ResellerPlan.objects.filter(
        reseller__domain=None, reseller__local_part=entry.username, plan__name=entry.plan
    )
    if not present.exists():
        run = partial(plans.put_on, username=entry.username, plan_name=entry.plan, by=by)
        yield Step(
            Mark.CHANGE, f"plan of reseller {entry.username}: {entry.plan}", entry.place, run
        )


def _gateway(entry: GatewayEntry, choices: Choices, by: Actor | None) -> Steps:
    row = Gateway.objects.filter(name=entry.name).first()
    senders = entry.sending_domains
    if choices.is_dry_run and senders is not None:
        senders = tuple(name for name in senders if name not in choices.promised_domains)
    if row is None:
        add = partial(
            gateways.add,
            values={"name": entry.name, **entry.values},
            password=entry.password,
            destinations=entry.destinations or (),
            sending_domains=senders or (),
            by=by,
        )
        yield Step(Mark.ADD, f"gateway {entry.name}{_scope_in_words(entry)}", entry.place, add)
        return
    words = _gateway_changes(row, entry)
    if words:
        change = partial(
            gateways.change,
            gateway=row,
            values=entry.values,
            password=entry.password,
            destinations=entry.destinations,
            sending_domains=senders,
            by=by,
        )
        yield Step(Mark.CHANGE, f"gateway {row}: {', '.join(words)}", entry.place, change)


def _gateway_changes(row: Gateway, entry: GatewayEntry) -> list[str]:
    words = []
    if values := differing(row, entry.values):
        words.append(in_words(row, values))
    if entry.password is not None and entry.password != gateways.password_of(row):
        words.append("password")
    scope = gateways.scope_of(row)
    wanted = {"destinations": entry.destinations, "sending_domains": entry.sending_domains}
    for key, names in wanted.items():
        if names is not None and sorted(set(map(gateways.read_destination, names))) != scope[key]:
            words.append(f"{key.replace('_', ' ')} {', '.join(names) or 'any'}")
    return words


def _scope_in_words(entry: GatewayEntry) -> str:
    return f" for {', '.join(entry.destinations)}" if entry.destinations else ""
