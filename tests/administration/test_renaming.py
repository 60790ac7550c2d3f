"""Renaming a domain: all that bears the name follows, or nothing does."""

from __future__ import annotations

import io
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import aliases, directory
from accounts.errors import NotPermitted
from accounts.models import User, UserAlias
from administration import renamejob, renaming, selectors, undo
from administration.errors import NothingToUndo, RenameRefused, UndoRefused
from blobs.ids import new_id
from clock.moments import utc_now
from domains import directory as domain_directory
from domains import folders
from domains import renaming as of_domains
from domains.errors import (
    DomainInRenaming,
    DomainUnknown,
    FolderRefused,
    LimitReached,
    NameMovedOn,
    NameTaken,
    ValuesRefused,
)
from domains.models import Domain, DomainAlias, DomainLimits, DomainRenaming, HostedName
from events.models import AuditEntry
from jobs import running
from jobs.models import Job, State
from jobs.progress import Progress
from reports.models import Schedule
from spool import relaydomains
from spool.configuration import SPOOL
from spool.models import HoldRule, Route, SpooledMessage, SpooledRecipient
from spool.models import State as QueueState
from tests.factories import PASSWORD, make_alias, make_domain_alias
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
NEW = "new.example"


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> World:
    settings.MAILHOST_DATA = tmp_path
    made = make_world()
    for domain in (made.own, made.other):
        domain.area.directory.mkdir(parents=True, exist_ok=True)
    return made


def rename(domain: Domain, name: str, *, keeps_old: bool = True) -> renaming.Renamed:
    domain = Domain.objects.select_related("area").get(pk=domain.pk)
    naming = of_domains.plan(domain, name, keeps_old=keeps_old)
    return renaming.run(Progress(job_id=0), naming, by=None)


def logs_in(login: str) -> bool:
    domain_directory.clear()
    directory.clear()
    return directory.login(login, local_ip=None) is not None


def names(domain: Domain) -> list[tuple[str, bool]]:
    rows = HostedName.objects.filter(domain=domain).order_by("name")
    return list(rows.values_list("name", "is_alias"))


def counts(found: renaming.Rehearsal | renaming.Renamed) -> dict[str, int]:
    return {each.what: each.count for each in found.changes}


@pytest.mark.spec("D-112", "D-113", "D-114")
def test_everything_that_bears_the_name_follows(world: World) -> None:
    make_alias(world.other, "far", "sales@own.example")
    User.objects.filter(pk=world.user.pk).update(reply_to="sales@own.example")
    User.objects.filter(pk=world.other_admin.pk).update(
        forward_to=["x@far.example", "alice@own.example"]
    )
    Schedule.objects.create(
        owner=world.root,
        kind="system-traffic",
        rhythm="daily",
        addresses=["alice@own.example"],
        created_at=utc_now(),
    )
    SPOOL.change({"postmaster": "alice@own.example"}, by=None)
    rule = HoldRule.objects.create(
        sender="@own.example", recipient="x@else.example", reason="r", created_at=utc_now()
    )
    folder = settings.MAILHOST_DATA / "domains/own.example"
    (folder / "kept").write_text("here")
    done = rename(world.own, NEW)
    domain = Domain.objects.select_related("area").get(pk=world.own.pk)
    assert (domain.name, domain.area.path, domain.area.name) == (
        NEW, f"domains/{NEW}", f"domains/{NEW}"
    )  # fmt: skip
    assert not folder.exists()
    assert (settings.MAILHOST_DATA / f"domains/{NEW}/kept").read_text() == "here"
    assert b'"name": "new.example"' in (domain.area.directory / "manifest.json").read_bytes()
    assert names(domain) == [("alias.example", True), (NEW, False), ("own.example", True)]
    far = UserAlias.objects.get(domain=world.other, local_part="far")
    assert aliases.target_names(far) == [f"sales@{NEW}"]
    assert User.objects.get(pk=world.user.pk).reply_to == f"sales@{NEW}"
    forwarding = User.objects.get(pk=world.other_admin.pk)
    assert forwarding.forward_to == ["x@far.example", f"alice@{NEW}"]
    assert Schedule.objects.get().addresses == [f"alice@{NEW}"]
    assert SPOOL.load().postmaster == f"alice@{NEW}"
    rule.refresh_from_db()
    assert (rule.sender, rule.recipient) == (f"@{NEW}", "x@else.example")
    assert logs_in(f"alice@{NEW}") and logs_in("alice@own.example")
    assert Client().login(username=f"alice@{NEW}", password=PASSWORD)
    assert counts(done)["alias targets that name the domain"] == 1
    assert not DomainRenaming.objects.exists()


@pytest.mark.spec("D-113")
@pytest.mark.parametrize("keeps_old", [True, False])
def test_mail_that_waits_goes_on_under_the_new_name(world: World, keeps_old: bool) -> None:
    """Also what was held back while the domain was closed; an operator's hold stays."""
    now = utc_now()
    message = SpooledMessage.objects.create(
        id=new_id(), origin="smtp", sender="alice@own.example", domain=world.own, size_bytes=1,
        accepted_at=now, expires_at=now + timedelta(days=5), recipients_total=2,
    )  # fmt: skip
    closed, held = (
        SpooledRecipient.objects.create(
            id=new_id(),
            message=message,
            address="alice@own.example",
            route=Route.LOCAL,
            original_address="Alice@own.example",
            account=world.user,
            state=QueueState.HELD,
            due_at=due_at,
            hold_reason=reason,
        )  # fmt: skip
        for due_at, reason in ((now + timedelta(minutes=5), ""), (None, "by hand"))
    )
    rename(world.own, NEW, keeps_old=keeps_old)
    for row in (message, closed, held):
        row.refresh_from_db()
    assert closed.address == held.address == f"alice@{NEW}"
    assert closed.original_address == "Alice@own.example"
    assert closed.due_at is not None and closed.due_at < now + timedelta(minutes=5)
    assert held.due_at is None
    # Where the old name is given up, reports about the message must still arrive.
    assert message.sender == ("alice@own.example" if keeps_old else f"alice@{NEW}")


def test_without_the_old_name_it_is_foreign(world: World) -> None:
    rename(world.own, NEW, keeps_old=False)
    assert names(world.own) == [("alias.example", True), (NEW, False)]
    assert not logs_in("alice@own.example")


@pytest.mark.spec("D-112")
def test_an_alias_of_the_domain_is_swapped_with_its_name(world: World) -> None:
    DomainLimits.objects.filter(domain=world.own).update(domain_aliases=1)
    rename(world.own, "alias.example")
    assert names(world.own) == [("alias.example", False), ("own.example", True)]
    assert list(DomainAlias.objects.values_list("name", flat=True)) == ["own.example"]


@pytest.mark.spec("D-110")
def test_a_rehearsal_tells_all_and_changes_nothing(world: World) -> None:
    make_alias(world.other, "far", "sales@own.example")
    before = list(HostedName.objects.order_by("name").values())
    told = renaming.rehearse(world.own, name="NEW.example.", keeps_old=True)
    assert (told.old, told.new, told.conflicts) == ("own.example", NEW, ())
    assert counts(told) == {
        "addresses of users": 2,
        "addresses of user aliases": 1,
        "alias targets that name the domain": 1,
    }
    assert any(record.name.startswith(NEW) for record in told.records)
    assert any("own.example stays as a domain alias" in words for words in told.consequences)
    assert list(HostedName.objects.order_by("name").values()) == before
    assert not AuditEntry.objects.filter(verb="renamed domain").exists()
    assert counts(rename(world.own, NEW)) == counts(told)


def test_conflicts_are_told_beforehand_and_refuse_the_run(world: World) -> None:
    def conflicts(name: str) -> list[str]:
        found = renaming.rehearse(world.own, name=name, keeps_old=True).conflicts
        return [type(one).__name__ for one in found]

    assert conflicts("other.example") == ["NameTaken"]
    make_domain_alias(world.other, "taken.example")
    assert conflicts("taken.example") == ["NameTaken"]
    DomainLimits.objects.filter(domain=world.own).update(domain_aliases=1)
    in_the_way = settings.MAILHOST_DATA / "domains" / NEW
    in_the_way.mkdir(parents=True)
    (in_the_way / "file").touch()
    relaydomains.add(name=NEW, by=None)
    assert conflicts(NEW) == ["LimitReached", "FolderRefused", "DomainInUse"]
    with pytest.raises(RenameRefused):
        renamejob.start_rename(domain=world.own, name=NEW, keeps_old=True, by=world.reseller)
    with pytest.raises(ValuesRefused):
        renaming.rehearse(world.own, name="own.example", keeps_old=True)
    with pytest.raises(LimitReached):
        rename(world.own, NEW)
    assert names(world.own) == [("alias.example", True), ("own.example", False)]
    assert not DomainRenaming.objects.exists()


@pytest.mark.spec("D-115")
def test_foreign_programs_in_the_folder_are_told_of(world: World) -> None:
    path = world.own.area.directory / "open"
    path.touch()
    assert renaming.rehearse(world.own, name=NEW, keeps_old=True).opened_by == ()
    with path.open() as file, subprocess.Popen(["sleep", "60"], stdin=file) as program:
        told = renaming.rehearse(world.own, name=NEW, keeps_old=True).opened_by
        program.kill()
    assert f"sleep (process {program.pid})" in told


def test_a_domain_that_is_being_deleted_is_not_renamed(world: World) -> None:
    Domain.objects.filter(pk=world.own.pk).update(is_deleting=True)
    assert renaming.rehearse(world.own, name=NEW, keeps_old=True).conflicts
    with pytest.raises(DomainUnknown):
        rename(world.own, NEW)


def test_a_folder_that_cannot_move_leaves_the_rows_as_they_were(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(old: str, new: str) -> None:
        raise FolderRefused(new, "no room")

    monkeypatch.setattr(folders, "rename", fail)
    with pytest.raises(FolderRefused):
        rename(world.own, NEW)
    assert names(world.own) == [("alias.example", True), ("own.example", False)]
    assert logs_in("alice@own.example")
    assert not AuditEntry.objects.filter(verb="renamed domain").exists()


@pytest.mark.spec("D-111")
def test_who_renames_what_was_renamed_meanwhile_fails(world: World) -> None:
    domain = Domain.objects.select_related("area").get(pk=world.own.pk)
    first = of_domains.plan(domain, NEW, keeps_old=True)
    rename(world.own, "faster.example")
    with pytest.raises(NameMovedOn):
        renaming.run(Progress(job_id=0), first, by=None)


def test_one_domain_is_renamed_by_one_at_a_time(world: World) -> None:
    domain = Domain.objects.select_related("area").get(pk=world.own.pk)
    of_domains.close(of_domains.plan(domain, NEW, keeps_old=True), now=utc_now())
    domain_directory.clear()
    policy = domain_directory.by_name("own.example")
    assert policy is not None and policy.is_closed
    with pytest.raises(DomainInRenaming):
        rename(world.own, "another.example")
    # The same again takes over: it is the one that was interrupted.
    rename(world.own, NEW)
    domain_directory.clear()
    policy = domain_directory.by_name(NEW)
    assert policy is not None and not policy.is_closed


def test_a_rename_that_died_between_folder_and_rows_is_ended_as_the_rows_say(world: World) -> None:
    domain = Domain.objects.select_related("area").get(pk=world.own.pk)
    (domain.area.directory / "kept").write_text("here")
    now = utc_now()
    of_domains.close(of_domains.plan(domain, NEW, keeps_old=True), now=now)
    folders.rename("domains/own.example", f"domains/{NEW}")
    # Something wrote into the place where the folder should be.
    domain.area.directory.mkdir()
    (domain.area.directory / "more").write_text("there")
    assert of_domains.mend(now=now) == 0
    assert of_domains.mend(now=now + of_domains.LEASE + timedelta(seconds=1)) == 1
    kept = sorted(path.name for path in domain.area.directory.iterdir())
    assert kept == ["kept", "more"]
    assert not (settings.MAILHOST_DATA / f"domains/{NEW}").exists()
    assert logs_in("alice@own.example")
    rename(world.own, NEW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-014")
def test_the_job_renames_once_however_often_it_is_begun(world: World) -> None:
    job = renamejob.start_rename(domain=world.own, name=NEW, keeps_old=True, by=world.reseller)
    running.run_waiting()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert job.result is not None and job.result["new"] == NEW
    # As if the worker had died after the commit, with the domain still closed.
    DomainRenaming.objects.create(
        domain=world.own, name=NEW, old_path="domains/own.example", new_path=f"domains/{NEW}",
        token="of the dead", until=utc_now(),
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED, finished_at=None)
    running.run_waiting()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert not DomainRenaming.objects.exists()
    assert AuditEntry.objects.filter(verb="renamed domain").count() == 1


@pytest.mark.django_db(transaction=True)
def test_only_those_above_the_domain_may(world: World) -> None:
    for actor in (world.admin, world.user, world.other_reseller):
        with pytest.raises(NotPermitted):
            renamejob.start_rename(domain=world.own, name=NEW, keeps_old=True, by=actor)
    job = renamejob.start_rename(domain=world.own, name=NEW, keeps_old=True, by=world.reseller)
    world.own.ownership.delete()
    running.run_waiting()
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert not HostedName.objects.filter(name=NEW).exists()


@pytest.mark.django_db(transaction=True)
def test_renaming_is_undone_while_the_old_name_is_kept(world: World) -> None:
    renamejob.start_rename(domain=world.own, name=NEW, keeps_old=True, by=world.reseller)
    running.run_waiting()
    entry = AuditEntry.objects.get(verb="renamed domain")
    entries = selectors.operation_for(world.reseller, entry=entry.pk)
    undo.undo(entries, by=world.reseller)
    running.run_waiting()
    assert names(world.own) == [("alias.example", True), ("own.example", False)]
    with pytest.raises(NothingToUndo):
        undo.undo(entries, by=world.reseller)


def test_without_the_old_name_there_is_no_way_back(world: World) -> None:
    rename(world.own, NEW, keeps_old=False)
    entry = AuditEntry.objects.get(verb="renamed domain")
    with pytest.raises(UndoRefused, match="is not an alias"):
        undo.undo([entry], by=None)


@pytest.mark.spec("D-110")
def test_the_command_rehearses_and_renames(world: World) -> None:
    def domain(*arguments: str) -> Any:
        out = io.StringIO()
        call_command("domain", "rename", *arguments, "--json", stdout=out)
        return json.loads(out.getvalue())

    told = domain("own.example", NEW, "--rehearse")
    assert told["is_possible"] and told["changes"]["addresses of users"] == 2
    assert not domain("own.example", "other.example", "--rehearse")["is_possible"]
    done = domain("own.example", NEW, "--drop-old-name")
    assert (done["new"], done["addresses of users"]) == (NEW, 2)
    assert names(world.own) == [("alias.example", True), (NEW, False)]
    with pytest.raises(CommandError, match="alias.example is called new.example now"):
        domain("alias.example", "third.example")


def test_a_taken_name_is_a_fact(world: World) -> None:
    with pytest.raises(NameTaken):
        renamejob.start_rename(domain=world.own, name="other.example", keeps_old=True, by=None)
