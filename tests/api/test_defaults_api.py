"""The defaults for new domains by the API: read, changed, previewed and set on domains (D-027)."""

from __future__ import annotations

import pytest

from domains import defaults
from domains.models import Domain
from events.models import AuditEntry
from jobs.kinds import KINDS
from jobs.models import Job
from jobs.progress import Progress

pytestmark = pytest.mark.django_db
PATH = "domain-defaults/"


@pytest.mark.spec("D-027")
def test_a_domain_opened_by_a_program_begins_with_the_defaults(world, program):
    asker = program(world.root)
    changed = asker.change(PATH, {"is_disabled": True, "tabs": {"limits": {"users": 20}}})
    assert changed.status_code == 200, changed.json()
    assert changed.json()["is_disabled"] and changed.json()["tabs"]["limits"]["users"] == 20
    new = {
        "name": "new.example",
        "administrator": {"username": "admin", "password": "four plain words please"},
    }
    assert asker.call("post", "domains/", new).json()["tabs"]["limits"]["users"] == 20
    refused = asker.change(PATH, {"tabs": {"technical": {"pop_port": 143}}})
    assert refused.status_code == 422 and "technical.pop_port" in refused.content.decode()
    assert asker.call("patch", PATH, {"is_disabled": False}).status_code == 428
    assert program(world.reseller).call("get", PATH).status_code == 403


@pytest.mark.spec("D-027", "X-007")
def test_a_preview_says_what_a_job_then_does_to_chosen_domains(world, program):
    asker = program(world.root)
    defaults.change(values={"limits": {"users": 20}}, by=None)
    body = {"fields_chosen": ["limits.users"], "names": ["own.example"], "reason": "prices"}
    preview = asker.call("post", f"{PATH}preview/", body).json()
    one = {"name": "own.example", "changes": {"limits.users": [100, 20]}, "obstacle": ""}
    assert preview == {"count": 1, "domains": [one]}
    assert Domain.objects.get(name="own.example").domainlimits.users == 100
    started = asker.call("post", f"{PATH}apply/", body)
    assert started.status_code == 202 and started.json()["total"] == 1
    job = Job.objects.get(pk=started.json()["id"])
    progress = Progress(job_id=job.pk, actor_id=job.actor_id)
    work = KINDS[job.kind]
    assert work(progress, **job.arguments) == {"changed": 1, "refused": 0}
    # Begun again, as after a crash, it finds nothing left to do.
    assert work(progress, **job.arguments) == {"changed": 1, "refused": 0}
    users = {domain.name: domain.domainlimits.users for domain in Domain.objects.all()}
    assert users == {"own.example": 20, "other.example": 100}
    assert AuditEntry.objects.get(verb="changed limits").reason == "prices"


def test_names_and_fields_that_are_none_are_refused(world, program):
    asker = program(world.root)
    for body in (
        {"fields_chosen": ["limits.colour"]},
        {"fields_chosen": []},
        {"fields_chosen": ["limits.users"], "names": ["nowhere.example"]},
    ):
        for verb in ("preview", "apply"):
            assert asker.call("post", f"{PATH}{verb}/", body).status_code == 422
    assert not Job.objects.exists()
