"""What was deleted comes back as it was, or says why not, and goes for good when its days end."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client

from accounts import aliases, directory, provisioning, recyclebin, services
from accounts.errors import LocalPartTaken, NotPermitted
from accounts.models import LocalPart, Recycled, User, UserAlias
from accounts.recyclebin import DomainRecycled, RecycledUnknown
from accounts.settings import DELETION
from accounts.tasks import empty_recycle_bin
from administration import selectors, undo
from clock.moments import utc_now
from domains.errors import LimitReached, NameTaken
from domains.models import Domain, DomainLimits, HostedName
from events import audit
from events.models import AuditEntry
from mailboxes.models import Folder
from tests.factories import PASSWORD, make_alias, make_domain, make_domain_alias, make_user
from tests.people import World, make_world
from tests.races import Pause, beside

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def make_folder(user: User) -> Folder:
    return Folder.objects.create(
        account=user, name="INBOX", uidvalidity=7, messages=3, created_at=utc_now()
    )


def targets(local_part: str, domain: Domain) -> list[str]:
    return aliases.target_names(UserAlias.objects.get(domain=domain, local_part=local_part))


@pytest.mark.spec("U-010", lacks="the event E-026")
def test_a_deleted_user_is_gone_for_everybody_and_comes_back_as_he_was(world: World) -> None:
    folder = make_folder(world.user)
    make_alias(world.own, "team", "sales", "admin")
    make_alias(world.other, "far", "alice@own.example", "admin")
    services.delete_user(user=world.user, by=world.admin)
    directory.clear()
    assert directory.login("alice@own.example", local_ip=None) is None
    assert not User.objects.filter(pk=world.user.pk).exists()
    assert not Client().login(username="alice@own.example", password=PASSWORD)
    assert not UserAlias.objects.filter(local_part="sales").exists()
    assert targets("team", world.own) == ["admin"]
    assert targets("far", world.other) == ["admin"]
    item = recyclebin.recycled_for(world.admin).get()
    assert (item.name, item.deleted_by) == ("alice@own.example", "admin@own.example")
    assert recyclebin.restore(item=item, by=world.admin) == ()
    directory.clear()
    assert directory.login("alice@alias.example", local_ip=None) is not None
    assert Client().login(username="alice@own.example", password=PASSWORD)
    assert targets("sales", world.own) == ["alice"]
    assert sorted(targets("team", world.own)) == ["admin", "sales"]
    assert sorted(targets("far", world.other)) == ["admin", "alice@own.example"]
    assert Folder.objects.get(pk=folder.pk).account_id == world.user.pk
    assert not Recycled.objects.exists()


def test_deleting_a_user_is_undone_as_one_operation(world: World) -> None:
    make_user(world.own, "bob")
    with audit.acting():
        services.delete_user(user=world.user, by=world.admin)
    entry = AuditEntry.objects.get(verb="deleted user")
    entries = selectors.operation_for(world.admin, entry=entry.pk)
    assert [one.verb for one in entries] == ["deleted alias", "deleted user"]
    undo.undo(entries, by=world.admin)
    assert targets("sales", world.own) == ["alice"]
    services.delete_user(user=world.user, by=None)
    recyclebin.purge(item=Recycled.objects.get(), by=None)
    with pytest.raises(undo.UndoRefused, match="does not lie in the recycle bin any more"):
        undo.undo([AuditEntry.objects.filter(verb="deleted user")[0]], by=None)


def test_the_primary_administrator_is_primary_again(world: World) -> None:
    second = make_user(world.own, "second")
    provisioning_role = User.objects.filter(pk=second.pk)
    provisioning_role.update(role="domain")
    with audit.acting():
        services.delete_user(user=world.admin, by=None)
    assert User.objects.get(pk=second.pk).is_primary_administrator
    entry = AuditEntry.objects.get(verb="deleted user")
    undo.undo(selectors.operation_for(None, entry=entry.pk), by=None)
    assert User.objects.get(pk=world.admin.pk).is_primary_administrator
    assert not User.objects.get(pk=second.pk).is_primary_administrator


def test_the_name_is_free_at_once_and_a_taken_one_is_not_restored(world: World) -> None:
    services.delete_user(user=world.user, by=None)
    newcomer = make_user(world.own, "alice")
    item = Recycled.objects.get()
    with pytest.raises(LocalPartTaken):
        recyclebin.restore(item=item, by=None)
    services.delete_user(user=newcomer, by=None)
    recyclebin.restore(item=item, by=None)
    assert User.objects.get(domain=world.own, local_part="alice").pk == world.user.pk


def test_a_limit_that_is_reached_meanwhile_keeps_a_user_in_the_bin(world: World) -> None:
    services.delete_user(user=world.user, by=None)
    DomainLimits.objects.filter(domain=world.own).update(users=1)
    with pytest.raises(LimitReached):
        recyclebin.restore(item=Recycled.objects.get(), by=None)
    assert Recycled.objects.count() == 1


@pytest.mark.spec("D-008")
def test_a_deleted_domain_is_foreign_and_comes_back_with_all_it_had(world: World) -> None:
    folder = make_folder(world.user)
    make_alias(world.other, "far", "alice@own.example")
    provisioning.close_domain(domain=world.own, by=world.reseller)
    directory.clear()
    assert not HostedName.objects.filter(domain=world.own).exists()
    assert not Domain.objects.filter(pk=world.own.pk).exists()
    assert not User.objects.filter(domain=world.own).exists()
    assert not UserAlias.objects.filter(domain=world.other).exists()
    assert not recyclebin.recycled_for(world.other_reseller).exists()
    item = recyclebin.recycled_item(world.reseller, Recycled.objects.get().pk)
    assert recyclebin.restore(item=item, by=world.reseller) == ()
    own = Domain.objects.select_related("area").get(name="own.example")
    assert (own.pk, own.is_deleting, own.area.path) == (
        world.own.pk, False, "domains/own.example",
    )  # fmt: skip
    assert own.ownership.reseller == world.reseller
    assert HostedName.objects.get(name="alias.example").domain == own
    assert User.objects.filter(domain=own).count() == 2
    assert targets("sales", own) == ["alice"]
    assert targets("far", world.other) == ["alice@own.example"]
    assert Folder.objects.filter(pk=folder.pk).exists()
    assert Client().login(username="alice@own.example", password=PASSWORD)


def test_a_domain_whose_name_was_opened_anew_stays_in_the_bin(world: World) -> None:
    provisioning.close_domain(domain=world.own, by=None)
    anew = make_domain("own.example", "alice")
    make_domain_alias(anew, "alias.example")
    item = Recycled.objects.get()
    with pytest.raises(NameTaken):
        recyclebin.restore(item=item, by=None)
    assert Domain.objects.get(name="own.example") == anew


def test_an_alias_that_another_domain_took_is_told(world: World) -> None:
    provisioning.close_domain(domain=world.own, by=None)
    make_domain_alias(world.other, "alias.example")
    (problem,) = recyclebin.restore(item=Recycled.objects.get(), by=None)
    assert problem.startswith("The domain alias alias.example did not come back")


def test_a_user_of_a_deleted_domain_waits_for_it(world: World) -> None:
    services.delete_user(user=world.user, by=None)
    item = Recycled.objects.get()
    provisioning.close_domain(domain=world.own, by=None)
    with pytest.raises(DomainRecycled):
        recyclebin.restore(item=item, by=None)
    recyclebin.restore(item=Recycled.objects.get(kind="domain"), by=None)
    assert not User.objects.filter(pk=world.user.pk).exists()
    recyclebin.restore(item=item, by=None)
    assert User.objects.filter(pk=world.user.pk).exists()


def test_what_is_due_goes_for_good(world: World) -> None:
    make_folder(world.user)
    services.delete_user(user=world.user, by=None)
    provisioning.close_domain(domain=world.own, by=None)
    now = utc_now()
    assert recyclebin.purge_due(now=now + timedelta(days=13)) == 0
    assert recyclebin.purge_due(now=now + timedelta(days=15)) == 2
    assert not User.everything.filter(domain_id=world.own.pk).exists()
    assert not Domain.everything.filter(pk=world.own.pk).exists()
    assert not LocalPart.objects.filter(domain_id=world.own.pk).exists()
    assert not Folder.objects.exists()
    assert empty_recycle_bin.func() == 0


def test_without_days_nothing_is_kept(world: World) -> None:
    DELETION.change({"recycle_days": 0}, by=None)
    services.delete_user(user=world.user, by=None)
    provisioning.close_domain(domain=world.own, by=None)
    assert not Recycled.objects.exists()
    assert not User.everything.filter(pk=world.user.pk).exists()
    assert not Domain.everything.filter(pk=world.own.pk).exists()


def test_who_may_restore_is_who_may_delete(world: World) -> None:
    services.delete_user(user=world.user, by=None)
    item = Recycled.objects.get()
    for actor in (world.other_admin, world.other_reseller):
        with pytest.raises(RecycledUnknown):
            recyclebin.recycled_item(actor, item.pk)
    User.objects.filter(pk=world.admin.pk).update(status="disabled")
    with pytest.raises((RecycledUnknown, NotPermitted)):
        recyclebin.recycled_item(User.objects.get(pk=world.admin.pk), item.pk)


def test_the_page_restores_and_asks_before_it_removes(world: World) -> None:
    client = Client()
    client.force_login(world.admin)
    services.delete_user(user=world.user, by=world.admin)
    item = Recycled.objects.get()
    assert "alice@own.example" in client.get("/panel/recycle-bin/").content.decode()
    page = client.post(f"/panel/recycle-bin/{item.pk}/restore/", follow=True).content.decode()
    assert "Restored alice@own.example." in page
    assert 'action="/panel/audit/undo/"' in page
    services.delete_user(user=world.user, by=world.admin)
    item = Recycled.objects.get()
    url = f"/panel/recycle-bin/{item.pk}/purge/"
    assert "nothing was removed" in client.post(url, {"confirmation": "x"}).content.decode()
    client.post(url, {"confirmation": "alice@own.example"})
    assert not User.everything.filter(pk=world.user.pk).exists()


def test_deleting_a_domain_in_the_panel_can_be_undone_from_its_notice(world: World) -> None:
    client = Client()
    client.force_login(world.reseller)
    data = {"selected": ["own.example"], "confirmation": "own.example"}
    client.post("/panel/domains/delete/", data)
    assert not Domain.objects.filter(name="own.example").exists()
    operation = AuditEntry.objects.get(verb="deleted domain").operation
    client.post("/panel/audit/undo/", {"operation": operation})
    assert Domain.objects.filter(name="own.example").exists()


def test_the_command_lists_and_restores(world: World) -> None:
    services.delete_user(user=world.user, by=None)
    out = io.StringIO()
    call_command("recyclebin", "list", "--json", stdout=out)
    (row,) = json.loads(out.getvalue())
    assert row["name"] == "alice@own.example"
    call_command("recyclebin", "restore", str(row["id"]), stdout=out)
    assert User.objects.filter(pk=world.user.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_name_that_somebody_is_just_taking_is_taken() -> None:
    domain = make_domain("taken.example")
    provisioning.close_domain(domain=domain, by=None)

    def take_the_name(pause: Pause) -> None:
        make_domain("taken.example")
        pause()

    with beside(take_the_name), pytest.raises(NameTaken):
        recyclebin.restore(item=Recycled.objects.get(), by=None)
    assert Recycled.objects.count() == 1
