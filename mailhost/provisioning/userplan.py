"""The users of a domain in the file against those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from accounts import administrators, apppasswords, forwards, services
from accounts.models import AppPassword, Role, User
from accounts.services import NewUser
from domains.errors import Refused
from mailhost.provisioning.entries import AppPasswordEntry, UserEntry
from mailhost.provisioning.plan import DomainPlan, Impossible
from mailhost.provisioning.steps import Mark, differing, has_credentials, in_words


def plan_users(plan: DomainPlan) -> None:
    admin = plan.entry.admin
    entries = list(plan.entry.users or ())
    if admin is not None and not plan.is_new:
        entries.insert(0, admin)
    added = [entry for entry in entries if entry.username not in plan.users]
    # A new domain is opened with its users.
    news = [] if plan.is_new else [new_user(plan, entry) for entry in added]
    for position, entry in enumerate(added):
        # One call makes them all; the other lines only tell of it.
        run = partial(_run_add, plan, news) if news and position == 0 else None
        text = f"user {entry.username}@{plan.name}{note(entry)}"
        plan.add(Mark.ADD, text, entry.place, run)
    for entry in entries:
        user = plan.users.get(entry.username)
        if user is not None:
            _change(plan, entry, user)
        plan_app_passwords(plan, entry, user)
    if admin is not None and not plan.is_new:
        _appoint(plan, admin)


def prune_users(plan: DomainPlan) -> None:
    """Users whom the file does not list; the primary administrator stays until replaced.

    After aliases were changed, so that none goes only because its user does.
    """
    entry = plan.entry
    if entry.users is None:
        return
    kept = {user.username for user in entry.users}
    if entry.admin is not None:
        kept.add(entry.admin.username)
    for name, user in plan.users.items():
        is_needed = entry.admin is None and user.is_primary_administrator
        if name not in kept and not is_needed:
            run = partial(services.delete_user, user=user, by=plan.by)
            plan.add(Mark.REMOVE, f"user {user}", entry.place, run)


def new_user(plan: DomainPlan, entry: UserEntry) -> NewUser:
    """Raises Impossible if the password is refused."""
    try:
        verifiers = plan.choices.verifiers(entry)
    except Refused as error:
        raise Impossible(entry.place, f"{entry.username}: {error}") from None
    return NewUser(
        username=entry.username,
        verifiers=verifiers,
        is_administrator=bool(entry.is_administrator),
        values=entry.values,
    )


def note(entry: UserEntry) -> str:
    has_none = entry.password is None and entry.verifiers is None
    return " (no password: cannot log in yet)" if has_none else ""


def plan_app_passwords(plan: DomainPlan, entry: UserEntry, user: User | None) -> None:
    """`user` None: he is made by a step before."""
    if entry.app_passwords is None:
        return
    present: dict[str, AppPassword] = {}
    if user is not None:
        present = {row.name: row for row in user.app_passwords.all()}
    for wanted in entry.app_passwords:
        row = present.get(wanted.name)
        if row is not None and _is_same(row, wanted):
            continue
        text = f"app password {wanted.name} of {entry.username}@{plan.name}"
        run = partial(_run_store, plan, entry.username, wanted, row)
        plan.add(Mark.ADD if row is None else Mark.CHANGE, text, wanted.place, run)
    if plan.choices.prune:
        names = {wanted.name for wanted in entry.app_passwords}
        for row in [row for name, row in present.items() if name not in names]:
            run = partial(apppasswords.remove, app_password=row, by=plan.by)
            text = f"app password {row.name} of {entry.username}@{plan.name}"
            plan.add(Mark.REMOVE, text, entry.place, run)


def _run_add(plan: DomainPlan, news: list[NewUser]) -> None:
    services.add_users(domain=plan.domain, users=news, by=plan.by)


def _run_store(
    plan: DomainPlan, username: str, wanted: AppPasswordEntry, row: AppPassword | None
) -> None:
    if row is not None:
        apppasswords.remove(app_password=row, by=plan.by)
    apppasswords.store(
        user=_user(plan, username),
        name=wanted.name,
        encoded=wanted.encoded,
        cram_md5_state=wanted.cram_md5_state,
        by=plan.by,
        scopes=wanted.scopes,
    )


def _is_same(row: AppPassword, wanted: AppPasswordEntry) -> bool:
    return row.password == wanted.encoded and row.scopes == list(wanted.scopes)


def _change(plan: DomainPlan, entry: UserEntry, user: User) -> None:
    by = plan.by
    if values := differing(user, _in_normal_form(user, entry.values)):
        run = partial(services.change_user, user=user, values=values, by=by)
        plan.add(Mark.CHANGE, f"user {user}: {in_words(user, values)}", entry.place, run)
    if not has_credentials(user, entry):
        verifiers = new_user(plan, entry).verifiers
        if verifiers is not None:
            run = partial(services.set_verifiers, user=user, verifiers=verifiers, by=by)
            plan.add(Mark.CHANGE, f"password of {user}", entry.place, run)
    is_administrator = user.role == Role.DOMAIN_ADMINISTRATOR
    if entry.is_administrator is not None and entry.is_administrator != is_administrator:
        change = administrators.grant if entry.is_administrator else administrators.revoke
        role = "administrator" if entry.is_administrator else "user"
        run = partial(change, user=user, by=by)
        plan.add(Mark.CHANGE, f"role of {user}: {role}", entry.place, run)


def _in_normal_form(user: User, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """As the row would have them; what is refused stays as it is, for the change to say why."""
    try:
        return forwards.normal(user, values)
    except Refused:
        return values


def _appoint(plan: DomainPlan, admin: UserEntry) -> None:
    present = plan.users.get(admin.username)
    if present is None or not present.is_primary_administrator:
        text = f"administrator of {plan.name}: {admin.username}"
        plan.add(Mark.CHANGE, text, admin.place, partial(_run_appoint, plan, admin.username))


def _run_appoint(plan: DomainPlan, username: str) -> None:
    administrators.appoint(user=_user(plan, username), by=plan.by)


def _user(plan: DomainPlan, username: str) -> User:
    return User.objects.get(domain=plan.domain, local_part=username)
