"""Verbs on very many messages run as jobs: with progress, broken off, gone on with, taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.errors import NotPermitted
from clock.moments import utc_now
from domains.errors import ValuesRefused
from jobs.errors import JobStopped
from jobs.kinds import KINDS
from jobs.models import Job
from jobs.models import State as JobState
from jobs.progress import Progress
from spool import bulkjobs, selection, undoing
from spool.changing import Done
from spool.holding import NewHoldRule
from spool.models import Origin, SpoolChange, SpooledRecipient, State
from spool.orders import Kind, Order, plain_selection, read_selection
from spool.selection import Selection, SpoolFilter, Status
from spool.services import PriorityOutOfRange
from tests.api.test_spool_api import make_message
from tests.people import World, make_world

HOLD = Order(Kind.HOLD, reason="wait")


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkjobs, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(selection, "IDS_AT_ONCE", 2)


def run(job: Job, **options: object) -> dict[str, object]:
    progress = Progress(job_id=job.pk, actor_id=job.actor_id, **options)  # type: ignore[arg-type]
    return dict(KINDS[job.kind](progress, **job.arguments))


def started(order: Order, meant: Selection, world: World) -> Job:
    job = bulkjobs.carry_out(order, meant, by=world.root, now=utc_now())
    assert isinstance(job, Job) and job.state == JobState.QUEUED
    return job


def held() -> int:
    return SpooledRecipient.objects.filter(state=State.HELD).count()


def test_few_messages_are_acted_on_at_once_and_many_by_a_job(world: World) -> None:
    ids = [make_message(world.own).pk for _ in range(2)]
    done = bulkjobs.carry_out(HOLD, Selection.of(ids), by=world.root, now=utc_now())
    assert isinstance(done, Done) and done.done == held() == 2
    later = [make_message(world.own).pk for _ in range(3)]
    everything = Selection.matching(SpoolFilter(destination="far.example"), actor=world.root)
    job = started(HOLD, everything, world)
    assert held() == 2
    result = run(job)
    assert (result["done"], result["skipped"], held()) == (3, 2, 5)
    assert result["reasons"] == {"held": 2} and len(later) == 3


def test_a_job_is_refused_before_it_begins(world: World) -> None:
    for _ in range(3):
        make_message(world.own)
    now, all_mail = utc_now(), Selection.everything(actor=world.root)
    for order, error in (
        (Order(Kind.PRIORITY, priority=11), PriorityOutOfRange),
        (Order(Kind.HOLD, reason=" "), ValuesRefused),
        (Order(Kind.WAY, way="gateway:99"), ValuesRefused),
    ):
        with pytest.raises(error):
            bulkjobs.carry_out(order, all_mail, by=world.root, now=now)
    theirs = Selection.matching(SpoolFilter(destination="far.example"), actor=world.reseller)
    with pytest.raises(NotPermitted):
        bulkjobs.carry_out(Order(Kind.FORCE), theirs, by=world.reseller, now=now)
    assert not Job.objects.exists() and not SpoolChange.objects.exists()


def test_a_job_acts_on_what_its_actor_sees_alone(world: World) -> None:
    for _ in range(3):
        make_message(world.own)
    make_message(world.other)
    meant = Selection.matching(SpoolFilter(destination="far.example"), actor=world.reseller)
    job = bulkjobs.carry_out(HOLD, meant, by=world.reseller, now=utc_now())
    assert isinstance(job, Job)
    run(job)
    assert held() == 3


def test_a_job_that_was_broken_off_goes_on_and_spares_what_came_meanwhile(world: World) -> None:
    for _ in range(5):
        make_message(world.own)
    job = started(Order(Kind.PRIORITY, priority=9), Selection.everything(actor=world.root), world)
    progress = Progress(job_id=job.pk, actor_id=job.actor_id)
    progress.stop(JobStopped())
    with pytest.raises(JobStopped):
        bulkjobs.act_on_spool(progress, **job.arguments)
    progress = Progress(job_id=job.pk, actor_id=job.actor_id)
    stopped_behind(progress, 2)
    with pytest.raises(JobStopped):
        bulkjobs.act_on_spool(progress, **job.arguments)
    assert SpooledRecipient.objects.filter(priority=9).count() == 2
    late = make_message(world.own)
    result = run(job, kept=progress.kept, done=progress.done)
    assert result["done"] == 5 and len(result["change_ids"]) == 2  # type: ignore[arg-type]
    assert SpooledRecipient.objects.get(message=late).priority != 9
    for change_id in result["change_ids"]:  # type: ignore[attr-defined]
        undoing.undo(change_id=int(change_id), by=None, now=utc_now())
    assert not SpooledRecipient.objects.filter(priority=9).exists()


def stopped_behind(progress: Progress, steps: int) -> None:
    """As if somebody cancelled it then."""
    report = progress.report

    def checked(done: int, *args: object, **given: object) -> None:
        if done >= steps:
            progress.stop(JobStopped())
        report(done, *args, **given)  # type: ignore[arg-type]

    progress.report = checked  # type: ignore[method-assign]


def test_a_large_change_is_taken_back_by_a_job(world: World) -> None:
    for _ in range(5):
        make_message(world.own)
    result = run(started(HOLD, Selection.everything(actor=world.root), world))
    change_id = int(result["change_ids"][0])  # type: ignore[index]
    job = bulkjobs.undo(change_id=change_id, by=world.root, now=utc_now())
    assert isinstance(job, Job) and held() == 5
    with pytest.raises(undoing.NotUndoable):
        bulkjobs.undo(change_id=change_id, by=world.root, now=utc_now())
    progress = Progress(job_id=job.pk, actor_id=job.actor_id)
    stopped_behind(progress, 2)
    with pytest.raises(JobStopped):
        bulkjobs.undo_in_spool(progress, **job.arguments)
    assert held() == 3
    assert run(job, done=progress.done) == {"done": 5} and held() == 0
    assert SpoolChange.objects.get(pk=change_id).is_final


@pytest.mark.parametrize(
    "meant",
    [
        Selection.of([3, 1]),
        Selection.everything(),
        Selection.matching(
            SpoolFilter(
                sender="@own.example",
                status=Status.HELD,
                older_than=timedelta(hours=2),
                origin=next(iter(Origin)),
                words=("a", "b"),
                gateway_id=3,
                priority=4,
            )  # fmt: skip
        ),
    ],
)
def test_what_is_meant_is_the_same_after_it_was_written_down(meant: Selection) -> None:
    assert read_selection(plain_selection(meant), actor=None) == meant


def test_a_hold_rule_is_applied_to_a_large_spool_by_a_job_and_lets_go_by_another(
    world: World,
) -> None:
    for _ in range(3):
        make_message(world.own)
    make_message(world.own, to="x@near.example")
    SpooledRecipient.objects.filter(address="x@near.example").update(destination="near.example")
    new = NewHoldRule(domain=world.own, destination=".far.example", reason="moving")
    SpooledRecipient.objects.filter(destination="far.example").update(destination="a.far.example")
    rule, job = bulkjobs.add_hold_rule(new=new, by=world.root, now=utc_now())
    assert isinstance(job, Job) and held() == 0
    assert run(job)["done"] == held() == 3
    assert run(job, kept=None)["done"] == 0  # begun again, it finds them held
    released = bulkjobs.remove_hold_rule(rule=rule, by=world.root, now=utc_now())
    assert isinstance(released, Job) and released.total == held() == 3
    assert run(released) == {"done": 3} and held() == 0
    assert run(job)["done"] == held() == 0  # the rule is gone
