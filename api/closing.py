"""The job that closes several domains: each by itself, and each reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts import provisioning, selectors
from accounts.models import User
from accounts.permissions import Verb
from api import bulk
from jobs.kinds import job
from jobs.progress import Progress


@job("close-domains", "Delete domains")
def close_domains(progress: Progress, *, names: Sequence[str], actor_id: int) -> dict[str, Any]:
    """Begun again after an interruption it goes on behind the names that are done."""
    actor = User.objects.select_related("domain").get(pk=actor_id)
    body = progress.kept or {"done": 0, "refused": 0, "results": []}
    for number in range(len(body["results"]), len(names)):
        name = names[number]
        progress.report(number, len(names), name)

        def close(name: str = name) -> None:
            domain = selectors.domain_for(actor, name, verb=Verb.CLOSE_DOMAIN)
            provisioning.close_domain(domain=domain, by=actor)

        one = bulk.each([name], lambda _: close(), name=str)
        result = one["results"][0] | {"row": number}
        body = {
            "done": body["done"] + one["done"],
            "refused": body["refused"] + one["refused"],
            "results": [*body["results"], result],
        }
        progress.keep(body)
    return body
