"""Everything that one Save of a page changes, in one transaction (D-030)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts import administrators, caps, plans, provisioning, services
from accounts.models import ResellerPlan, Role, User
from accounts.passwords import Verifiers
from accounts.services import NewUser
from domains.errors import ChangedMeanwhile, Problem, ValuesRefused
from domains.models import Domain
from events.audit import Actor

Values = Mapping[str, Any]


@transaction.atomic
def change_domain(
    *,
    domain: Domain,
    by: Actor | None,
    options: Values | None = None,
    tabs: Mapping[str, Values] | None = None,
    administrator: str | None = None,
    new_administrator: NewUser | None = None,
    expected_version: int | None = None,
) -> None:
    """Set what is given, all or nothing; what is not given stays.

    `administrator`: the user name of the primary administrator to be (D-041); one that does not
    exist yet is `new_administrator` (D-042). ValuesRefused names fields as `tab.field`, those of
    all tabs together. Raises what `accounts.provisioning` and `accounts.services` do.
    """
    locked, _, _ = caps.lock_with_plan(domain)
    if expected_version is not None and locked.version != expected_version:
        raise ChangedMeanwhile(expected_version, locked.version)
    problems: list[Problem] = []
    if options:
        provisioning.change_options(domain=domain, options=options, by=by)
    for tab, values in (tabs or {}).items():
        try:
            provisioning.change_tab(domain=domain, tab=tab, values=values, by=by)
        except ValuesRefused as error:
            problems += [Problem(f"{tab}.{one.field}", one.reason) for one in error.problems]
    if problems:
        raise ValuesRefused(tuple(problems))
    if new_administrator is not None:
        (user,) = services.add_users(domain=domain, users=[new_administrator], by=by)
        administrators.appoint(user=user, by=by)
    elif administrator is not None:
        found = User.objects.filter(domain=domain, local_part=administrator).first()
        if found is None:
            raise ValuesRefused((Problem("administrator", "the domain has no such user"),))
        administrators.appoint(user=found, by=by)


@transaction.atomic
def edit_user(
    *,
    user: User,
    by: Actor | None,
    values: Values | None = None,
    verifiers: Verifiers | None = None,
    is_administrator: bool | None = None,
    expected_version: int | None = None,
) -> User:
    """One Save of a user's page, all or nothing; None: it stays as it is.

    Raises what `services.change_user` and `administrators.revoke` do.
    """
    user = services.change_user(
        user=user, values=values or {}, by=by, expected_version=expected_version
    )
    if is_administrator is not None:
        set_role = administrators.grant if is_administrator else administrators.revoke
        user = set_role(user=user, by=by)
    if verifiers is not None:
        user = services.set_verifiers(user=user, verifiers=verifiers, by=by)
    return user


@transaction.atomic
def edit_reseller(
    *,
    user: User,
    by: Actor | None,
    values: Values | None = None,
    verifiers: Verifiers | None = None,
    plan_name: str | None = None,
    expected_version: int | None = None,
) -> User:
    """One Save of a reseller's page; an empty `plan_name` takes him off his plan, None leaves it.

    Raises what `services.change_user` and `plans.put_on` do.
    """
    user = services.change_user(
        user=user, values=values or {}, by=by, expected_version=expected_version
    )
    if plan_name is not None:
        set_plan(user=user, plan_name=plan_name, by=by)
    if verifiers is not None:
        user = services.set_verifiers(user=user, verifiers=verifiers, by=by)
    return user


@transaction.atomic
def add_reseller(
    *, username: str, values: Values, verifiers: Verifiers | None, plan_name: str, by: Actor | None
) -> User:
    """A reseller who is on a plan from the beginning; empty: on none."""
    role = Role.RESELLER
    user = services.add_person(
        username=username, role=role, by=by, verifiers=verifiers, values=values
    )
    set_plan(user=user, plan_name=plan_name, by=by)
    return user


def set_plan(*, user: User, plan_name: str, by: Actor | None) -> None:
    """Raises UserUnknown, ValuesRefused."""
    row = ResellerPlan.objects.select_related("plan").filter(reseller=user).first()
    if plan_name and (row is None or row.plan.name != plan_name):
        plans.put_on(username=user.local_part, plan_name=plan_name, by=by)
    elif not plan_name and row is not None:
        plans.take_off(row=row, by=by)
