"""Large changes and taking them back run as jobs: row by row, resumable, one operation each."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts import provisioning
from accounts.models import Status, User
from administration import bulkjobs, selectors, undojob
from administration.undo import Undone
from domains.models import Domain
from events import audit
from events.models import AuditEntry
from jobs import running, services
from jobs.errors import JobStopped
from jobs.kinds import Kind
from jobs.models import Job
from jobs.models import State as JobState
from jobs.progress import Progress
from tests.factories import make_domain, make_user
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
KINDS: dict[str, Kind] = {
    one.name: one
    for one in (
        bulkjobs.set_domains,
        bulkjobs.close_domains,
        bulkjobs.set_users,
        bulkjobs.delete_users,
        undojob.undo_operation,
    )
}


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_AT_ONCE", "MOST_DELETED_AT_ONCE"):
        monkeypatch.setattr(bulkjobs, name, 2)
    monkeypatch.setattr(undojob, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(undojob, "PIECE", 2)


def run(job: Job | None = None, progress: Progress | None = None) -> dict[str, Any]:
    """As a worker would, in this process."""
    job = job or Job.objects.latest("pk")
    progress = progress or Progress(job_id=job.pk, actor_id=job.actor_id)
    with audit.acting(name=job.actor, operation=f"job-{job.pk}"):
        return dict(KINDS[job.kind](progress, **job.arguments))


def stopping_behind(job: Job, steps: int) -> Progress:
    """As if the job were cancelled, or its worker ended, then."""
    progress = Progress(job_id=job.pk, actor_id=job.actor_id)
    report = progress.report

    def checked(done: int, *args: Any, **given: Any) -> None:
        if done >= steps:
            progress.stop(JobStopped())
        report(done, *args, **given)

    progress.report = checked  # type: ignore[method-assign]
    return progress


def start(kind: Kind, by: User, **arguments: Any) -> Job:
    return services.start(kind, by=by, **arguments)


def many(count: int = 5) -> list[str]:
    return [make_domain(f"d{number}.example").name for number in range(count)]


def disable_all(names: list[str], by: User) -> AuditEntry:
    """One operation over all of them; its first entry."""
    with audit.acting():
        for name in names:
            domain = Domain.objects.get(name=name)
            provisioning.change_options(domain=domain, options={"is_disabled": True}, by=by)
        return AuditEntry.objects.filter(operation=audit.current_operation()).order_by("pk")[0]


def disabled() -> int:
    return Domain.objects.filter(is_disabled=True).count()


def undo(entry: AuditEntry, by: User, **options: Any) -> Undone | Job:
    return undojob.undo_or_start(selectors.operation_for(by, entry=entry.pk), by=by, **options)


@pytest.mark.spec("X-006")
def test_a_broken_off_change_goes_on_behind_what_is_done(world: World) -> None:
    names = [*many(), "nowhere.example"]
    job = start(bulkjobs.set_domains, world.root, names=names, is_disabled=True)
    progress = stopping_behind(job, 3)
    with pytest.raises(JobStopped):
        run(job, progress)
    assert disabled() == 3
    result = run(job, Progress(job_id=job.pk, actor_id=job.actor_id, kept=progress.kept))
    assert (result["done"], result["refused"], disabled()) == (5, 1, 5)
    assert [one["name"] for one in result["results"]] == ["nowhere.example"]
    operations = AuditEntry.objects.filter(verb="changed options").values("operation")
    assert operations.distinct().count() == 1


def test_each_row_is_authorised_when_its_turn_comes(world: World) -> None:
    names = ["own.example", "other.example"]
    start(bulkjobs.set_domains, world.reseller, names=names, is_disabled=True)
    result = run()
    assert (result["done"], result["refused"]) == (1, 1)
    assert not Domain.objects.get(name="other.example").is_disabled


def test_users_are_disabled_and_deleted_by_jobs(world: World) -> None:
    addresses = ["alice@own.example", "alice@other.example", "admin@own.example"]
    start(bulkjobs.set_users, world.admin, addresses=addresses, status=Status.DISABLED.value)
    assert run()["done"] == 1  # one is another domain's, one the last administrator
    assert str(User.objects.get(status=Status.DISABLED)) == "alice@own.example"
    start(bulkjobs.delete_users, world.admin, addresses=addresses)
    assert run()["done"] == 1
    assert not User.objects.filter(domain=world.own, local_part="alice").exists()


@pytest.mark.spec("X-005")
def test_a_large_change_is_undone_by_a_job_and_can_be_had_back(world: World) -> None:
    entry = disable_all(many(), world.root)
    job = undo(entry, world.root, reason="by mistake")
    assert isinstance(job, Job) and job.total == 5 and disabled() == 5
    assert run(job) == {"undone": 5, "refused": 0, "results": []}
    assert disabled() == 0
    made = AuditEntry.objects.filter(operation=f"job-{job.pk}", undoes__isnull=False)
    assert made.count() == 5 and {one.reason for one in made} == {"by mistake"}
    again = undo(made[0], world.root)
    assert isinstance(again, Job)
    run(again)
    assert disabled() == 5


def test_a_small_change_is_undone_at_once(world: World) -> None:
    entry = disable_all(many(2), world.root)
    assert isinstance(undo(entry, world.root), Undone)
    assert disabled() == 0 and not Job.objects.exists()


@pytest.mark.parametrize("skip_conflicts", [False, True])
def test_what_has_moved_on_stops_it_and_sets_all_again_or_is_left(
    world: World, skip_conflicts: bool
) -> None:
    names = many()
    entry = disable_all(names, world.root)
    # The latest is taken back first: this one comes when others are undone already.
    first = Domain.objects.get(name=names[0])
    provisioning.close_domain(domain=first, by=world.root)
    job = undo(entry, world.root, skip_conflicts=skip_conflicts)
    assert isinstance(job, Job)
    result = run(job)
    assert result["refused"] == 1 and "does not exist any more" in result["results"][0]["reason"]
    assert result["undone"] == (4 if skip_conflicts else 0)
    assert disabled() == (0 if skip_conflicts else 4)


def test_an_undo_that_was_broken_off_takes_nothing_back_twice(world: World) -> None:
    job = undo(disable_all(many(), world.root), world.root)
    assert isinstance(job, Job)
    with pytest.raises(JobStopped):
        run(job, stopping_behind(job, 2))
    assert disabled() == 3
    assert run(job)["undone"] == 5 and disabled() == 0
    assert AuditEntry.objects.filter(undoes__isnull=False).count() == 5


def test_the_panel_leads_to_the_job_of_its_actor(world: World) -> None:
    for number in range(3):
        make_user(world.own, f"u{number}")
    client = Client()
    client.force_login(world.admin)
    url = "/panel/domain/own.example/users/disable/"
    answer = client.post(url, {"all_matching": "1"})
    job = Job.objects.get()
    assert answer["Location"] == f"/panel/jobs/{job.pk}/"
    assert client.get(answer["Location"]).status_code == 200
    assert run(job)["done"] == 4
    Job.objects.update(state=JobState.DONE)
    page = client.get(answer["Location"]).content.decode()
    assert "What it changed, and Undo" in page
    entry = AuditEntry.objects.filter(operation=f"job-{job.pk}").order_by("pk")[0]
    shown = client.get(f"/panel/audit/{entry.pk}/").content.decode()
    assert "4 changes by admin@own.example" in shown
    stranger = Client()
    stranger.force_login(world.other_admin)
    assert stranger.get(answer["Location"]).status_code == 404


def test_a_resellers_job_about_several_domains_is_his_own(world: World) -> None:
    job = start(bulkjobs.set_domains, world.reseller, names=["own.example"], is_disabled=True)
    for who, status in ((world.reseller, 200), (world.other_reseller, 404), (world.root, 200)):
        client = Client()
        client.force_login(who)
        assert client.get(f"/panel/jobs/{job.pk}/").status_code == status, who


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("U-060")
def test_a_job_that_an_impersonator_starts_tells_both_names(
    world: World, settings: Any, tmp_path: Any
) -> None:
    settings.MAILHOST_DATA = tmp_path
    with audit.acting(impersonator=world.root):
        job = start(bulkjobs.set_domains, world.reseller, names=["own.example"], is_disabled=True)
    assert running.run_waiting() == 1
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.error
    entry = AuditEntry.objects.get(verb="changed options")
    assert (entry.actor, entry.impersonated) == ("root", "rob")
    assert entry.actor_id == world.root.pk
