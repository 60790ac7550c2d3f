"""Verbs on very many messages, and taking them back, as jobs that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from accounts.models import User
from clock.moments import utc_now
from jobs import services as jobs
from jobs.kinds import job
from jobs.models import Job
from jobs.progress import Progress
from spool import holding, undoing
from spool.changing import Course, Done
from spool.holding import NewHoldRule
from spool.models import HoldRule, SpoolChange
from spool.orders import Kind, Order, plain_selection, read_selection
from spool.selection import Selection, newest

# A second or so of work: whoever asked waits for that.
MOST_AT_ONCE = 1_000


@job("act-on-spool", "Act on mail in the spool")
def act_on_spool(
    progress: Progress, *, order: dict[str, Any], selection: dict[str, Any]
) -> dict[str, Any]:
    """In the name of who asked. Begun again it goes on behind the last message that was done."""
    actor, now = _actor(progress), utc_now()
    wanted = Order(Kind(order["kind"]), order["priority"], order["reason"], order["way"])
    meant = read_selection(selection, actor=actor)

    def work(course: Course) -> Done:
        return wanted.carry_out(selection=meant, by=actor, now=now, course=course)

    return _follow(progress, meant, work, now)


@job("apply-hold-rule", "Hold mail that fits a rule")
def apply_hold_rule(progress: Progress, *, rule_id: int) -> dict[str, Any]:
    """What is in the spool already; a rule that is gone holds nothing."""
    actor, now = _actor(progress), utc_now()
    rule = HoldRule.objects.filter(pk=rule_id).first()
    if rule is None:
        return {"done": 0, "skipped": 0, "reasons": {}, "change_ids": []}

    def work(course: Course) -> Done:
        return holding.apply_rule(rule, by=actor, now=now, course=course)

    return _follow(progress, holding.meant_by(rule), work, now)


@job("release-held", "Release mail that a rule held")
def release_held(progress: Progress, *, rule_id: int) -> dict[str, Any]:
    """Begun again it finds those that are left."""
    actor, now = _actor(progress), utc_now()
    before = progress.done

    def tell(after: int, done: Done) -> None:
        progress.report(before + done.done, words=f"{before + done.done:,} released")

    done = holding.release_caught(rule_id, by=actor, now=now, course=Course(tell=tell))
    return {"done": before + done.done}


@job("undo-in-spool", "Undo a change in the spool")
def undo_in_spool(progress: Progress, *, change_id: int) -> dict[str, Any]:
    """Begun again it goes on with the batches that are left."""
    actor = _actor(progress)
    change = SpoolChange.objects.get(pk=change_id)
    before = progress.done

    def tell(done: int) -> None:
        # The daemon goes on with what nobody has been at for a while.
        SpoolChange.objects.filter(pk=change_id).update(undone_at=utc_now())
        progress.report(before + done, words=f"{before + done:,} messages as they were")

    return {"done": before + undoing.put_back(change, by=actor, now=utc_now(), tell=tell)}


def carry_out(order: Order, selection: Selection, *, by: User, now: datetime) -> Done | Job:
    """At once; on very many messages by a job. Raises what the verb does, either way."""
    if not selection.is_more_than(MOST_AT_ONCE, now=now):
        return order.carry_out(selection=selection, by=by, now=now)
    order.require_sound(actor=selection.actor, now=now)
    return jobs.start(
        act_on_spool, by=by, order=asdict(order), selection=plain_selection(selection)
    )


def undo(*, change_id: int, by: User, now: datetime) -> int | Job:
    """How many messages are as they were; the job where they are very many. Raises NotUndoable."""
    change = undoing.begin(change_id=change_id, by=by, now=now)
    if change.done <= MOST_AT_ONCE:
        return undoing.put_back(change, by=by, now=now)
    return jobs.start(undo_in_spool, by=by, total=change.done, change_id=change.pk)


def add_hold_rule(*, new: NewHoldRule, by: User, now: datetime) -> tuple[HoldRule, Done | Job]:
    """The rule, and what it does to mail that is in the spool. Raises as `holding.add_rule`."""
    rule = holding.create_rule(new=new, by=by, now=now)
    if not holding.meant_by(rule).is_more_than(MOST_AT_ONCE, now=now):
        return rule, holding.apply_rule(rule, by=by, now=now)
    return rule, jobs.start(apply_hold_rule, by=by, rule_id=rule.pk)


def remove_hold_rule(*, rule: HoldRule, by: User, now: datetime) -> Done | Job:
    """It catches nothing any more; what it holds is released."""
    rule_id = holding.drop_rule(rule=rule, by=by)
    count = len(holding.caught_by(rule_id))
    if count <= MOST_AT_ONCE:
        return holding.release_caught(rule_id, by=by, now=now)
    return jobs.start(release_held, by=by, total=count, rule_id=rule_id)


def _actor(progress: Progress) -> User:
    return User.objects.select_related("domain").get(pk=progress.actor_id or 0)


def _follow(
    progress: Progress, meant: Selection, work: Callable[[Course], Done], now: datetime
) -> dict[str, Any]:
    kept = progress.kept or _first(meant, now)
    earlier = _Sum(kept)

    def tell(after: int, done: Done) -> None:
        told = earlier.with_(done)
        progress.keep({**told, "after": after, "last": kept["last"]})
        words = f"{told['done']:,} done, {told['skipped']:,} skipped"
        progress.report(told["done"] + told["skipped"], kept["total"], words)

    progress.report(progress.done, kept["total"])
    # What came in after the first begin is spared, also by a job that is begun again.
    done = work(Course(after=kept["after"], last=kept["last"], tell=tell))
    return {name: value for name, value in earlier.with_(done).items() if name != "total"}


def _first(meant: Selection, now: datetime) -> dict[str, Any]:
    last = newest()
    total = len(meant.ids) or meant.messages(now=now).filter(pk__lte=last).count()
    return {
        "after": 0, "last": last, "total": total, "done": 0, "skipped": 0, "reasons": {},
        "change_ids": [],
    }  # fmt: skip


class _Sum:
    """What the runs before this one have done."""

    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept

    def with_(self, done: Done) -> dict[str, Any]:
        kept = self._kept
        reasons = dict(kept["reasons"])
        for reason, count in done.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        changes = [str(done.change_id)] if done.change_id is not None else []
        return {
            "total": kept["total"],
            "done": kept["done"] + done.done,
            "skipped": kept["skipped"] + done.skipped,
            "reasons": reasons,
            "change_ids": [*kept["change_ids"], *changes],
        }
