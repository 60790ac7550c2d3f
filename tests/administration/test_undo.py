"""What was changed is set again by the same services; what moved on is refused with words."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts import administrators, aliases, editing, plans, provisioning, services
from accounts.errors import NotPermitted
from accounts.models import Plan, User, UserAlias
from accounts.settings import LOGIN
from administration import selectors, undo
from administration.errors import CannotUndo, EntryUnknown, NothingToUndo, UndoRefused
from administration.rules import rule_for
from domains import services as domain_services
from domains.models import Domain, DomainLimits, HostedName
from events import audit
from events.models import AuditEntry
from mailboxes.models import Folder
from operations import relay
from operations.models import RelayNetwork
from spool import gateways
from spool.models import Gateway
from tests.factories import PASSWORD, make_domain, make_user
from tests.people import World, make_world

NOW = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def latest() -> list[AuditEntry]:
    entry = AuditEntry.objects.order_by("-id")[0]
    return selectors.operation_for(None, entry=entry.pk)


def undo_latest(by: User | None = None, **options: Any) -> undo.Undone:
    return undo.undo(latest(), by=by, **options)


@pytest.mark.spec("X-005")
def test_one_save_over_many_tabs_is_one_operation_and_undone_as_one(world: World) -> None:
    with audit.acting(client_address="192.0.2.1"):
        editing.change_domain(
            domain=world.own,
            by=world.root,
            options={"is_disabled": True},
            tabs={"limits": {"users": 7}, "technical": {"disable_greylisting": True}},
        )
    entries = latest()
    assert [entry.verb for entry in entries] == [
        "changed options", "changed limits", "changed technical",
    ]  # fmt: skip
    done = undo_latest(world.root)
    assert len(done.entries) == 3
    own = Domain.objects.select_related("domainlimits", "domaintechnical").get(pk=world.own.pk)
    assert not own.is_disabled
    assert own.domainlimits.users == 100
    assert not own.domaintechnical.disable_greylisting
    assert selectors.undone_among(entries) == {entry.pk for entry in entries}
    again = selectors.operation_for(None, operation=done.operation)
    undo.undo(again, by=world.root)  # undoing the undoing
    assert DomainLimits.objects.get(domain=own).users == 7


def test_what_was_changed_again_since_is_refused_and_nothing_is_undone(world: World) -> None:
    with audit.acting():
        domain_services.change_tab(
            domain=world.own, tab="limits", values={"users": 7}, by=world.root
        )
        domain_services.change_tab(
            domain=world.other, tab="limits", values={"users": 7}, by=world.root
        )
    entries = latest()
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 8}, by=None)
    with pytest.raises(UndoRefused) as refused:
        undo.undo(entries, by=world.root)
    assert str(refused.value) == (
        "changed limits own.example: users was changed again since: it was set to 7 and is 8 now"
    )
    assert DomainLimits.objects.get(domain=world.other).users == 7
    assert undo.rehearse(entries, by=world.root)[0].entry_id == entries[0].pk
    done = undo.undo(entries, by=world.root, skip_conflicts=True)
    assert (len(done.entries), len(done.conflicts)) == (1, 1)
    assert DomainLimits.objects.get(domain=world.other).users == 100
    assert DomainLimits.objects.get(domain=world.own).users == 8


def test_what_is_as_before_already_has_nothing_to_undo(world: World) -> None:
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 7}, by=None)
    entries = latest()
    undo.undo(entries, by=None)
    with pytest.raises(NothingToUndo):
        undo.undo(entries, by=None)
    with pytest.raises(NothingToUndo):
        undo.rehearse(entries, by=None)


def test_a_rehearsal_changes_nothing(world: World) -> None:
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 7}, by=None)
    count = AuditEntry.objects.count()
    assert undo.rehearse(latest(), by=world.root) == ()
    assert DomainLimits.objects.get(domain=world.own).users == 7
    assert AuditEntry.objects.count() == count


def test_a_new_password_has_no_way_back_and_the_trail_has_no_secret(world: World) -> None:
    services.set_password(user=world.user, password="another correct horse", by=world.root)
    (entry,) = latest()
    assert "horse" not in str(entry.changes)
    with pytest.raises(UndoRefused, match="passwords are not kept"):
        undo.undo([entry], by=world.root)
    with pytest.raises(CannotUndo):
        rule_for(entry)


def test_undoing_takes_the_same_leave_as_changing(world: World) -> None:
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 7}, by=world.root)
    entries = selectors.operation_for(world.admin, entry=latest()[0].pk)
    with pytest.raises(UndoRefused, match="not permitted: change limits"):
        undo.undo(entries, by=world.admin)
    LOGIN.change({"cram_md5": False}, by=world.root)
    with pytest.raises(UndoRefused, match="manage server"):
        undo.undo(latest(), by=world.reseller)
    assert isinstance(NotPermitted("x"), Exception)
    undo.undo(latest(), by=world.root)
    assert LOGIN.load().cram_md5


def test_users_and_their_roles_go_back(world: World) -> None:
    services.change_user(user=world.user, values={"full_name": "A", "status": "disabled"}, by=None)
    undo_latest(world.admin)
    user = User.objects.get(pk=world.user.pk)
    assert (user.full_name, user.status) == ("", "enabled")
    administrators.grant(user=world.user, by=None)
    undo_latest(world.admin)
    assert User.objects.get(pk=world.user.pk).role == "user"
    with audit.acting():
        administrators.appoint(user=world.user, by=None)
    undo_latest(world.reseller)
    assert User.objects.get(pk=world.admin.pk).is_primary_administrator
    user = User.objects.get(pk=world.user.pk)
    assert (user.role, user.is_primary_administrator) == ("user", False)


def test_an_added_user_goes_as_long_as_the_mailbox_is_empty(world: World) -> None:
    added = make_user(world.own, "bob")
    entries = latest()
    Folder.objects.create(account=added, name="INBOX", uidvalidity=1, messages=1, created_at=NOW)
    with pytest.raises(UndoRefused, match="has mail already"):
        undo.undo(entries, by=world.admin)
    added.folders.update(messages=0)
    undo.undo(entries, by=world.admin)
    assert not User.objects.filter(domain=world.own, local_part="bob").exists()


def test_aliases_go_back_with_their_targets_and_switches(world: World) -> None:
    alias = UserAlias.objects.get(local_part="sales")
    with audit.acting():
        aliases.change_alias(
            alias=alias, targets=["admin"], values={"internal_only": True}, by=None
        )
    undo_latest(world.admin)
    alias = UserAlias.objects.get(local_part="sales")
    assert (aliases.target_names(alias), alias.internal_only) == (["alice"], False)
    aliases.change_alias(alias=alias, values={"internal_only": True}, by=None)
    aliases.delete_alias(alias=alias, by=None)
    undo_latest(world.admin)
    alias = UserAlias.objects.get(local_part="sales")
    assert (aliases.target_names(alias), alias.internal_only) == (["alice"], True)
    undo.undo(selectors.operation_for(None, operation=latest()[0].operation), by=None)
    assert not UserAlias.objects.filter(local_part="sales").exists()


def test_a_catch_all_goes_back_with_its_switch_for_reports(world: World) -> None:
    on = {"takes_reports": True}
    aliases.set_catch_all(domain=world.own, targets=["alice"], by=None)
    aliases.set_catch_all(domain=world.own, targets=["alice"], values=on, by=None)
    undo_latest(world.admin)
    assert UserAlias.objects.get(local_part="*").takes_reports is False
    aliases.set_catch_all(domain=world.own, targets=["alice"], values=on, by=None)
    aliases.set_catch_all(domain=world.own, targets=[], by=None)
    undo_latest(world.admin)
    assert UserAlias.objects.get(local_part="*").takes_reports is True


def test_domain_aliases_and_owners_go_back(world: World) -> None:
    domain_services.remove_alias(alias=world.own.aliases.get(), by=None)
    undo_latest(world.admin)
    assert HostedName.objects.filter(name="alias.example", is_alias=True).exists()
    undo_latest(world.admin)
    assert not HostedName.objects.filter(name="alias.example").exists()
    provisioning.hand_over(domain=world.own, reseller=world.other_reseller, by=None)
    undo_latest(world.root)
    assert Domain.objects.get(pk=world.own.pk).ownership.reseller == world.reseller


def test_a_name_that_somebody_else_took_is_not_taken_back(world: World) -> None:
    domain_services.remove_alias(alias=world.own.aliases.get(), by=None)
    entries = latest()
    make_domain("alias.example")
    with pytest.raises(UndoRefused, match=r"alias\.example is a domain or a domain alias already"):
        undo.undo(entries, by=None)


def test_what_belongs_to_the_server_goes_back(world: World) -> None:
    plan = plans.add(name="small", by=None, values={"users": 5})
    plans.change(plan=plan, values={"users": 6}, by=None)
    undo_latest()
    assert Plan.objects.get().users == 5
    plans.put_on(username="rob", plan_name="small", by=None)
    undo_latest()
    plans.delete(plan=plan, by=None)
    undo_latest()
    assert Plan.objects.get().users == 5
    there = ["submission"]
    row = relay.add(network="192.0.2.0/24", note="office", services=there, by=None)
    relay.change(row=row, values={"services": ["smtp"], "note": "shop"}, by=None)
    undo_latest()
    relay.remove(row=RelayNetwork.objects.get(), by=None)
    undo_latest()
    row = RelayNetwork.objects.get()
    assert (row.note, row.services) == ("office", there)
    gateway = gateways.add(values={"name": "out", "host": "mx.example"}, by=None)
    gateways.change(gateway=gateway, values={"port": 587}, destinations=["a.example"], by=None)
    undo_latest()
    gateway = Gateway.objects.get()
    assert (gateway.port, gateways.scope_of(gateway)["destinations"]) == (25, [])
    gateways.change(gateway=gateway, values={}, password="s3cret", by=None)
    with pytest.raises(UndoRefused, match="the old password is not kept"):
        undo_latest()


@pytest.mark.spec("X-005")
def test_everybody_sees_of_the_trail_what_is_about_his_domains(world: World) -> None:
    services.change_user(user=world.user, values={"full_name": "A"}, by=world.root)
    entry = AuditEntry.objects.order_by("-id")[0]
    for actor in (world.root, world.reseller, world.admin):
        assert entry in selectors.audit_for(actor)
    for actor in (world.other_reseller, world.other_admin, world.user):
        assert entry not in selectors.audit_for(actor)
        with pytest.raises(EntryUnknown):
            selectors.operation_for(actor, entry=entry.pk)


@pytest.mark.spec("X-005")
def test_the_trail_is_searched_by_words_and_places(world: World) -> None:
    with audit.acting(client_address="198.51.100.7"), audit.because("ticket 4711"):
        services.change_user(user=world.user, values={"full_name": "Änne"}, by=world.root)
    wanted = AuditEntry.objects.order_by("-id")[0]
    day = f"{wanted.at:%Y-%m-%d}"
    for query in (
        "actor:root object:alice@own verb:changed", 'verb:"changed user"', "4711",
        "from:198.51.100.7", f"full_name since:{day} until:{day}", f"operation:{wanted.operation}",
    ):  # fmt: skip
        found = selectors.audit_for(world.root).filter(selectors.matching(query, of=world.root))
        assert found[0] == wanted, query
    for query in ("actor:nobody", "since:2999-01-01", "until:2000-01-01", "x:y", "%"):
        found = selectors.audit_for(world.root).filter(selectors.matching(query, of=world.root))
        assert not found.exists()
    for customer in (world.admin, world.reseller):
        rows = selectors.audit_for(customer)
        assert wanted in rows
        assert wanted not in rows.filter(selectors.matching("from:198.", of=customer))


def test_the_command_lists_shows_and_undoes(world: World) -> None:
    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command("audit", *arguments, stdout=out, stderr=out)
        return out.getvalue()

    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 7}, by=world.root)
    entry = latest()[0]
    listed = json.loads(run("list", "verb:limits", "--json"))
    assert [row["number"] for row in listed] == [entry.pk]
    shown = run("show", str(entry.pk))
    assert "users: 100 -> 7" in shown and "at (UTC)" in shown
    assert "could be undone" in run("undo", str(entry.pk), "--dry-run")
    assert json.loads(run("undo", str(entry.pk), "--reason", "slip", "--json")) == {
        "undone": [entry.pk], "conflicts": [],
    }  # fmt: skip
    assert DomainLimits.objects.get(domain=world.own).users == 100
    last = AuditEntry.objects.order_by("-id")[0]
    assert (last.undoes, last.reason) == (entry.pk, "slip")
    assert last.actor.endswith("(manage.py audit undo)")
    with pytest.raises(CommandError, match="as it was before already"):
        run("undo", str(entry.pk))
    with pytest.raises(CommandError, match="no entry 99999999"):
        run("show", "99999999")
    assert PASSWORD not in run("list")
