"""A domain of the file against the domain that is there: the steps from one to the other."""

from __future__ import annotations

from functools import partial

from accounts import aliases, provisioning
from accounts.models import CATCH_ALL, DomainOwnership, Role, User, UserAlias
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from administration.movejob import start_move
from domains import moving, services
from domains.advice import advise
from domains.models import TABS, Domain, HostedName, Tab
from domains.values import settable_fields
from events.audit import Actor
from mailhost.provisioning import aliasplan, listplan, userplan
from mailhost.provisioning.entries import DomainEntry, Values
from mailhost.provisioning.plan import DomainPlan, Impossible
from mailhost.provisioning.steps import Choices, Mark, Step, differing, in_words

NO_LIMIT = 0


def plan_domain(entry: DomainEntry, choices: Choices, by: Actor | None) -> list[Step]:
    """Reads what is there; the steps run later, in one transaction.

    Raises Refused for what can be told before anything is changed.
    """
    plan = DomainPlan(entry, choices, by, found=_find(entry))
    if plan.found is None:
        _open(plan)
    else:
        plan.users = {user.local_part: user for user in plan.found.users.all()}
        found = UserAlias.objects.select_related("domain").filter(domain=plan.found)
        plan.aliases = {alias.local_part: alias for alias in found}
        if choices.prune:
            _prune_names(plan)
        _change_settings(plan)
    userplan.plan_users(plan)
    aliasplan.plan_aliases(plan)
    listplan.plan_lists(plan)
    _add_domain_aliases(plan)
    if not plan.is_new and choices.prune:
        userplan.prune_users(plan)
    if plan.is_new and choices.over_limits and "limits" in entry.tabs:
        text = f"limits of {plan.name}, whatever is in use"
        plan.add(Mark.CHANGE, text, entry.place, partial(_run_limits, plan))
    return plan.steps


def _find(entry: DomainEntry) -> Domain | None:
    hosted = HostedName.objects.select_related("domain__area").filter(name=entry.name).first()
    if hosted is None:
        return None
    if hosted.is_alias:
        reason = f"{entry.name} is an alias of {hosted.domain.name}: use that name"
        raise Impossible(entry.place, reason)
    return hosted.domain


def _open(plan: DomainPlan) -> None:
    entry, admin = plan.entry, plan.entry.admin
    if admin is None:
        raise Impossible(entry.place, f"{plan.name} is new: it needs an admin with a username")
    administrator = userplan.new_user(plan, admin)
    users = [userplan.new_user(plan, user) for user in entry.users or ()]
    text = f"domain {plan.name}, administrator {admin.username}{userplan.note(admin)}"
    plan.add(Mark.ADD, text, entry.place, partial(_run_open, plan, administrator, users))
    for tab, values in entry.tabs.items():
        _advise(plan, TABS[tab](), values)
    userplan.plan_app_passwords(plan, admin, None)


def _run_limits(plan: DomainPlan) -> None:
    values = plan.entry.tabs["limits"]
    provisioning.change_tab(domain=plan.domain, tab="limits", values=values, by=plan.by)


def _run_open(plan: DomainPlan, administrator: NewUser, users: list[NewUser]) -> None:
    entry, tabs = plan.entry, dict(plan.entry.tabs)
    if plan.choices.over_limits:
        tabs["limits"] = dict.fromkeys(settable_fields(TABS["limits"]), NO_LIMIT)
    new = NewDomain(
        name=entry.name,
        administrator=administrator,
        users=users,
        options=entry.options,
        tabs=tabs,
        folder_path=entry.folder_path,
        reseller=_reseller(plan),
        keeps_withheld=True,
    )
    plan.opened = provisioning.open_domain(new=new, by=plan.by)


def _change_settings(plan: DomainPlan) -> None:
    entry, domain = plan.entry, plan.domain
    path = entry.folder_path
    if path is not None and path != str(domain.area.directory):
        _move_folder(plan, path)
    if options := differing(domain, entry.options):
        plan.add(
            Mark.CHANGE,
            f"options of {plan.name}: {in_words(domain, options)}",
            entry.place,
            partial(provisioning.change_options, domain=domain, options=options, by=plan.by),
        )
    for tab, values in entry.tabs.items():
        _change_tab(plan, tab, values)
    if entry.reseller is not None:
        _hand_over(plan)


def _move_folder(plan: DomainPlan, path: str) -> None:
    """By a job of the server. One that is on its way there already is what the file wants."""
    on_its_way = moving.running_of(plan.domain)
    if on_its_way is None or moving.text_for(on_its_way.new_path) != path:
        run = partial(start_move, domain=plan.domain, folder_path=path, by=None)
        text = f"folder of {plan.name}: {plan.domain.area.directory} -> {path}, by a job"
        plan.add(Mark.CHANGE, text, plan.entry.place, run)


def _change_tab(plan: DomainPlan, tab: str, given: Values) -> None:
    domain = plan.domain
    row = TABS[tab]._default_manager.get(domain=domain)
    if values := differing(row, given):
        run = partial(provisioning.change_tab, domain=domain, tab=tab, values=values, by=plan.by)
        text = f"{tab} of {plan.name}: {in_words(row, values)}"
        plan.add(Mark.CHANGE, text, plan.entry.place, run)
        _advise(plan, row, values)


def _advise(plan: DomainPlan, row: Tab, values: Values) -> None:
    """Tell of values that are seldom meant; `row` is only a copy of what will be saved."""
    for name, value in values.items():
        setattr(row, name, value)
    for problem in advise(row):
        plan.add(Mark.WARN, f"{plan.name}: {problem}", plan.entry.place)


def _hand_over(plan: DomainPlan) -> None:
    present = DomainOwnership.objects.filter(domain=plan.domain).first()
    wanted = _reseller(plan)
    if (present.reseller if present else None) != wanted:
        run = partial(provisioning.hand_over, domain=plan.domain, reseller=wanted, by=plan.by)
        text = f"reseller of {plan.name}: {wanted or 'none'}"
        plan.add(Mark.CHANGE, text, plan.entry.place, run)


def _reseller(plan: DomainPlan) -> User | None:
    """An empty name means the provider itself. Raises Impossible."""
    name = (plan.entry.reseller or "").lower()
    if not name:
        return None
    user = User.objects.filter(domain=None, role=Role.RESELLER, local_part=name).first()
    if user is None and name not in plan.choices.promised_resellers:
        raise Impossible(plan.entry.place, f"there is no reseller {name}")
    return user


def _add_domain_aliases(plan: DomainPlan) -> None:
    present = set(plan.found.aliases.values_list("name", flat=True)) if plan.found else set()
    for entry in plan.entry.domain_aliases or ():
        if entry.name not in present:
            run = partial(_run_add_domain_alias, plan, entry.name)
            text = f"domain alias {entry.name} of {plan.name}"
            plan.add(Mark.ADD, text, entry.place, run)


def _run_add_domain_alias(plan: DomainPlan, name: str) -> None:
    services.add_alias(domain=plan.domain, name=name, by=plan.by)


def _prune_names(plan: DomainPlan) -> None:
    """Before anything is added: what goes makes room under the limits."""
    place = plan.entry.place
    if plan.entry.user_aliases is not None:
        kept = {entry.name for entry in plan.entry.user_aliases} | {CATCH_ALL}
        for alias in [alias for name, alias in plan.aliases.items() if name not in kept]:
            run = partial(aliases.delete_alias, alias=alias, by=plan.by)
            plan.add(Mark.REMOVE, f"alias {alias}", place, run)
    listplan.prune_lists(plan)
    if plan.entry.domain_aliases is not None:
        names = {entry.name for entry in plan.entry.domain_aliases}
        for row in plan.domain.aliases.exclude(name__in=names):
            run = partial(services.remove_alias, alias=row, by=plan.by)
            plan.add(Mark.REMOVE, f"domain alias {row.name} of {plan.name}", place, run)
