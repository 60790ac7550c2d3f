"""Changes of very many domains or users as jobs: each row by itself, the whole as one operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from accounts import provisioning, selectors, services
from accounts.models import Status, User
from accounts.permissions import Verb
from domains.errors import Refused
from jobs.kinds import job
from jobs.progress import Progress

# Some seconds of work: whoever asked waits for that.
MOST_AT_ONCE = 100
# Closing a domain or a mailbox is slow.
MOST_DELETED_AT_ONCE = 20
MOST_REFUSALS_KEPT = 1_000


@job("set-domains", "Enable or disable domains")
def set_domains(progress: Progress, *, names: Sequence[str], is_disabled: bool) -> dict[str, Any]:
    actor = actor_of(progress)

    def change(name: str) -> None:
        domain = selectors.domain_for(actor, name, verb=Verb.DISABLE_DOMAIN)
        options = {"is_disabled": is_disabled}
        provisioning.change_options(domain=domain, options=options, by=actor)

    return each(progress, names, change)


@job("close-domains", "Delete domains")
def close_domains(
    progress: Progress, *, names: Sequence[str], actor_id: int | None = None
) -> dict[str, Any]:
    """`actor_id` stands in jobs that were started by earlier versions."""
    actor = actor_of(progress)

    def close(name: str) -> None:
        domain = selectors.domain_for(actor, name, verb=Verb.CLOSE_DOMAIN)
        provisioning.close_domain(domain=domain, by=actor)

    return each(progress, names, close)


@job("set-users", "Enable or disable users")
def set_users(progress: Progress, *, addresses: Sequence[str], status: str) -> dict[str, Any]:
    actor = actor_of(progress)

    def change(address: str) -> None:
        user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
        services.change_user(user=user, values={"status": Status(status)}, by=actor)

    return each(progress, addresses, change)


@job("delete-users", "Delete users")
def delete_users(progress: Progress, *, addresses: Sequence[str]) -> dict[str, Any]:
    actor = actor_of(progress)

    def delete(address: str) -> None:
        user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
        services.delete_user(user=user, by=actor)

    return each(progress, addresses, delete)


def actor_of(progress: Progress) -> User:
    """Who asked; what he may not do any more is refused row by row."""
    return User.objects.select_related("domain").get(pk=progress.actor_id or 0)


def each(progress: Progress, names: Sequence[str], act: Callable[[str], object]) -> dict[str, Any]:
    """Counts, and row, name and reason of the first that were refused (X-006).

    Begun again after an interruption it goes on behind the rows that are done.
    """
    told = progress.kept or {"next": 0, "done": 0, "refused": 0, "results": []}
    progress.report(told["next"], len(names))
    for number in range(told["next"], len(names)):
        name, results = names[number], told["results"]
        done, refused = told["done"], told["refused"]
        try:
            act(name)
            done += 1
        except Refused as error:
            refused += 1
            if len(results) < MOST_REFUSALS_KEPT:
                results = [*results, {"row": number, "name": name, "reason": str(error)}]
        told = {"next": number + 1, "done": done, "refused": refused, "results": results}
        progress.keep(told)
        progress.report(number + 1, len(names), name)
    return {name: value for name, value in told.items() if name != "next"}
