"""What the Django admin changes goes by the services, which may refuse."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.test import Client

from accounts import services
from accounts.models import (
    AppPassword,
    DomainOwnership,
    Plan,
    Recycled,
    ResellerPlan,
    Role,
    User,
    UserAlias,
)
from blobs.ids import new_id
from clock.moments import utc_now
from domains.models import TABS, Domain, DomainAlias
from events.models import AuditEntry
from operations.models import RelayNetwork
from spool import gateways
from spool.models import Gateway, HoldRule, SpooledMessage, SpooledRecipient, State
from tests.adminsite.adminrows import filled, url
from tests.factories import PASSWORD, make_domain

pytestmark = pytest.mark.django_db


@pytest.mark.spec("X-002", "X-005")
def test_what_the_admin_changes_goes_by_the_services(client: Client, root: User) -> None:
    client.post(
        url(Domain, "add"),
        {
            "name": "Admin-Made.example",
            "administrator_username": "ada",
            "administrator_password": PASSWORD,
            "list_command_address": "listserv",
        },
    )
    domain = Domain.objects.get()
    assert (domain.name, domain.users.get().is_primary_administrator) == (
        "admin-made.example",
        True,
    )
    tab = TABS["limits"].objects.get()
    form = client.get(url(TABS["limits"], "change", tab.pk)).context["adminform"].form
    client.post(url(TABS["limits"], "change", tab.pk), {**form.initial, "users": 1})
    tab.refresh_from_db()
    assert tab.users == 1
    entry = AuditEntry.objects.get(verb="changed limits")
    assert (entry.actor, entry.client_address) == ("root", "127.0.0.1")
    assert entry.changes == {"users": [100, 1]}
    data = user_data(client, domain=domain.pk, local_part="bob", new_password=PASSWORD)
    page = client.post(url(User, "add"), data)
    assert "the limit of 1 users is reached" in page.content.decode()
    assert not User.objects.filter(local_part="bob").exists()


def user_data(client: Client, row: User | None = None, **values: Any) -> dict[str, Any]:
    page = url(User, "change", row.pk) if row else url(User, "add")
    return {**filled(client, page), **values}


def test_users_aliases_and_the_rest_are_added_changed_and_deleted(
    client: Client, world: Domain
) -> None:
    data = user_data(client, domain=world.pk, local_part="Bob", new_password=PASSWORD)
    assert client.post(url(User, "add"), data).status_code == 302
    bob = User.objects.get(local_part="bob")
    assert bob.check_password(PASSWORD)
    data = user_data(client, bob, full_name="Bob B.", new_password="short")
    page = client.post(url(User, "change", bob.pk), data)
    assert "fewer than 10 characters" in page.content.decode()
    data = user_data(client, bob, full_name="Bob B.", role=Role.DOMAIN_ADMINISTRATOR)
    assert client.post(url(User, "change", bob.pk), data).status_code == 302
    bob.refresh_from_db()
    assert (bob.full_name, bob.role) == ("Bob B.", Role.DOMAIN_ADMINISTRATOR)

    data = {"domain": world.pk, "local_part": "team", "leads_to": "alice\nbob"}
    assert client.post(url(UserAlias, "add"), data).status_code == 302
    team = UserAlias.objects.get(local_part="team")
    data = {"leads_to": "bob\r\nteam"}
    page = client.post(url(UserAlias, "change", team.pk), data)
    assert "loop" in page.content.decode()
    client.post(url(UserAlias, "change", team.pk), {"leads_to": "bob"})
    assert team.targets.get().account == bob

    data = {"user": bob.pk, "name": "laptop", "scopes": ["imap"]}
    page = client.post(url(AppPassword, "add"), data, follow=True)
    assert "shown this once" in page.content.decode()

    data = {"domain": world.pk, "name": "second.example"}
    assert client.post(url(DomainAlias, "add"), data).status_code == 302
    page = client.post(url(DomainAlias, "add"), {"domain": world.pk, "name": "third.example"})
    assert "limit of 2 domain aliases" in page.content.decode()

    data = {"name": "tiny", "domains": 1, "users": 1, "users_per_domain": 1}
    data |= {"disk_space_mb": 0, "mailing_lists": 0, "withheld_features": ["syncml"]}
    assert client.post(url(Plan, "add"), data).status_code == 302
    row = ResellerPlan.objects.get()
    tiny = Plan.objects.get(name="tiny").pk
    client.post(url(ResellerPlan, "change", row.pk), {"plan": tiny})
    row.refresh_from_db()
    assert row.plan_id == tiny

    client.post(url(RelayNetwork, "add"), {"network": "0.0.0.0/0", "note": ""})
    client.post(url(RelayNetwork, "add"), {"network": "198.51.100.9/32", "note": "printer"})
    assert set(RelayNetwork.objects.values_list("network", flat=True)) == {
        "192.0.2.0/24",
        "198.51.100.9",
    }
    printer = RelayNetwork.objects.get(network="198.51.100.9")
    assert printer.services == ["smtp"]
    data = {"note": "printer", "services": ["smtp", "submission"]}
    client.post(url(RelayNetwork, "change", printer.pk), data)
    printer.refresh_from_db()
    assert printer.services == ["smtp", "submission"]

    admin_ = User.objects.get(local_part="admin")
    client.post(url(User, "delete", bob.pk), {"post": "yes"})
    page = client.post(url(User, "delete", admin_.pk), {"post": "yes"}, follow=True)
    assert "last enabled administrator" in page.content.decode()
    assert not User.objects.filter(local_part="bob").exists()
    assert not UserAlias.objects.filter(local_part="team").exists()

    selected = {"action": "delete_selected", "_selected_action": [admin_.pk], "post": "yes"}
    page = client.post(url(User, "changelist"), selected, follow=True)
    assert "last enabled administrator" in page.content.decode()


def test_gateways_keep_their_password_unless_a_new_one_is_given(
    client: Client, world: Domain
) -> None:
    gateway = Gateway.objects.get()
    data = filled(client, url(Gateway, "change", gateway.pk))
    new = {"new_password": "s3cret", "takes": ".below.test", "sending_domains": [world.pk]}
    assert client.post(url(Gateway, "change", gateway.pk), {**data, **new}).status_code == 302
    assert gateways.password_of(Gateway.objects.get()) == "s3cret"
    assert gateways.scope_of(gateway) == {
        "destinations": [".below.test"],
        "sending_domains": ["world.example"],
    }
    data |= {"takes": ".below.test", "sending_domains": [world.pk], "port": 26}
    assert client.post(url(Gateway, "change", gateway.pk), data).status_code == 302
    gateway.refresh_from_db()
    assert (gateway.port, gateways.password_of(gateway)) == (26, "s3cret")


@pytest.mark.django_db(transaction=True)
def test_a_domain_is_closed_as_a_whole(client: Client) -> None:
    domain = make_domain("bye.example", "alice")
    page = client.get(url(Domain, "delete", domain.pk))
    assert "bye.example" in page.content.decode()
    client.post(url(Domain, "delete", domain.pk), {"post": "yes"})
    assert not Domain.objects.exists()
    assert not DomainOwnership.objects.exists()
    assert not User.objects.filter(local_part="alice").exists()


@pytest.mark.spec("X-006")
def test_actions_on_chosen_rows_go_by_the_services(client: Client, world: Domain) -> None:
    def act(model: type[models.Model], action: str, *rows: models.Model) -> str:
        chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
        return str(client.post(url(model, "changelist"), chosen, follow=True).content.decode())

    alice, admin_ = (User.objects.get(local_part=name) for name in ("alice", "admin"))
    page = act(User, "disable", alice, admin_)
    assert "Disabled 1." in page and "last enabled administrator" in page
    alice.refresh_from_db()
    assert (alice.status, AuditEntry.objects.latest("pk").actor) == ("disabled", "root")
    assert "Enabled 1." in act(User, "enable", alice)
    act(Domain, "disable", world)
    world.refresh_from_db()
    assert world.is_disabled
    act(Gateway, "disable", Gateway.objects.get())
    assert not Gateway.objects.get().is_enabled
    services.delete_user(user=alice, by=None)
    assert "Restored 1." in act(Recycled, "restore", Recycled.objects.get())
    assert User.objects.filter(local_part="alice").exists()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_marked_mail_is_put_in_quarantine_and_let_go(client: Client, root: User) -> None:
    now = utc_now()
    message = SpooledMessage.objects.create(
        id=new_id(), origin="submission", sender="a@one.example", size_bytes=1, accepted_at=now,
        expires_at=now, recipients_total=1,
    )  # fmt: skip
    SpooledRecipient.objects.create(
        id=new_id(), message=message, address="<i>x</i>@far.example", route="remote", due_at=now
    )
    marked = {"_selected_action": [str(message.pk)]}
    listed = url(SpooledMessage, "changelist")
    page = client.post(listed, {**marked, "action": "quarantine"}, follow=True)
    assert "1 done" in page.content.decode()
    recipient = SpooledRecipient.objects.get()
    assert recipient.is_quarantined and recipient.hold_reason == "put there by an administrator"
    for wanted, count in (("0", 1), ("1", 0)):
        shown = client.get(
            url(SpooledRecipient, "changelist"), {"quarantined_until__isempty": wanted}
        )
        assert shown.context["cl"].result_count == count
        assert "<i>x</i>" not in shown.content.decode()
    client.post(listed, {**marked, "action": "release"})
    assert SpooledRecipient.objects.get().state == State.QUEUED
    data = {"sender": "@spam.test", "reason": "spam run", "quarantines": "on"}
    client.post(url(HoldRule, "add"), data)
    assert HoldRule.objects.get().quarantines is True
