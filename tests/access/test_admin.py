"""Every page of the Django admin opens for system administrators and for nobody else."""

from __future__ import annotations

import copy
import csv
import io
import itertools
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import apppasswords, plans, provisioning, services
from accounts.models import (
    AppPassword,
    DomainOwnership,
    LastActivity,
    Plan,
    Recycled,
    ResellerPlan,
    Role,
    User,
    UserAlias,
)
from accounts.settings import LOGIN
from adminsite import csvfiles
from adminsite.exporting import SECRETS
from adminsite.readonly import ReadOnlyAdmin
from blobs.ids import encode_id
from clock.moments import utc_now
from domains.models import TABS, Domain, DomainAlias
from events.models import AuditEntry
from operations import relay
from operations.models import RelayNetwork
from operations.services import LISTENERS
from spool import gateways
from spool.configuration import SPOOL
from spool.models import Gateway, SpooledMessage
from tests.factories import PASSWORD, make_alias, make_domain, make_domain_alias

pytestmark = pytest.mark.django_db

MODELS = [model for room in settings.ROOMS for model in apps.get_app_config(room).get_models()]
# Read-only in all else: to delete one is to revoke it.
REVOCABLE = [apps.get_model("api", "ApiToken")]
ID = str.lower


def url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root() -> User:
    return services.create_system_administrator("root", PASSWORD)[0]


@pytest.fixture
def client(root: User) -> Client:
    return log_in(root)


@pytest.fixture
def world(root: User) -> Iterator[Domain]:
    """A row or more of everything that services make."""
    domain = make_domain("world.example", "alice")
    make_domain_alias(domain, "alias.example")
    make_alias(domain, "sales", "alice", "x@elsewhere.example")
    alice = User.objects.get(local_part="alice")
    apppasswords.add(user=alice, name="phone", by=None)
    LastActivity.objects.create(user=alice, at=utc_now(), service="imap")
    services.add_person(username="rob", role=Role.RESELLER, by=None)
    plans.add(name="small", by=None)
    plans.put_on(username="rob", plan_name="small", by=None)
    reseller = User.objects.get(local_part="rob")
    provisioning.hand_over(domain=domain, reseller=reseller, by=None)
    gateways.add(values={"name": "out", "host": "mx.example"}, destinations=["sink.test"], by=None)
    relay.add(network="192.0.2.0/24", by=None)
    LOGIN.change({"cram_md5": True}, by=None)
    LISTENERS.change({"bad_commands": 9}, by=None)
    SPOOL.change({"patience_days": 4}, by=None)
    yield domain
    for single in (LOGIN, LISTENERS, SPOOL):
        single.forget()


def make_mail(domain: Domain) -> None:
    """Rows of mail, filled with whatever fits each field."""
    numbers = itertools.count(1)
    alice = User.objects.get(domain=domain, local_part="alice")
    for model in MODELS:
        if not model._default_manager.exists():
            make_row(model, {User: alice, Domain: domain}, numbers)


HOSTILE = "<script>alert(1)</script>"


def make_row(model: type[models.Model], known: dict[Any, Any], numbers: Iterator[int]) -> Any:
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey):
            target = field.related_model
            if target not in known:
                known[target] = target._default_manager.first() or make_row(target, known, numbers)
            values[field.name] = known[target]
        elif (
            field.has_default()
            and not field.primary_key
            or field.get_internal_type() == "BigAutoField"
        ):
            continue
        elif type(field).__name__ == "MomentField" or isinstance(field, models.DateField):
            values[field.name] = utc_now()
        elif isinstance(field, models.IntegerField):
            values[field.name] = next(numbers)
        elif isinstance(field, models.BinaryField):
            values[field.name] = b"\xff\x00"
        elif isinstance(field, models.CharField | models.TextField):
            values[field.name] = HOSTILE[: field.max_length or 100]
        elif isinstance(field, models.BooleanField):
            values[field.name] = False
    return model._default_manager.create(**values)


def test_every_model_of_every_room_is_registered() -> None:
    assert [model for model in MODELS if not admin.site.is_registered(model)] == []


def test_every_list_opens_and_searches(client: Client, world: Domain) -> None:
    make_mail(world)
    for model in MODELS:
        page = client.get(url(model, "changelist"))
        assert page.status_code == 200, model
        assert HOSTILE.encode() not in page.content, model
        assert client.get(url(model, "changelist"), {"q": "1"}).status_code == 200, model


def test_times_and_ids_are_shown_as_people_and_commands_take_them(
    client: Client, world: Domain
) -> None:
    make_mail(world)
    message = SpooledMessage.objects.first()
    assert message is not None
    moment = f"{message.accepted_at:%Y-%m-%d %H:%M:%S} UTC"
    for page in (
        client.get(url(SpooledMessage, "changelist")),
        client.get(url(SpooledMessage, "changelist"), {"q": encode_id(message.pk)}),
        client.get(url(SpooledMessage, "change", message.pk)),
    ):
        text = page.content.decode()
        assert moment in text
        assert encode_id(message.pk) in text
    found = client.get(url(SpooledMessage, "changelist"), {"q": encode_id(message.pk + 1)})
    assert moment not in found.content.decode()


def test_every_row_opens_and_can_be_added_only_where_a_service_adds(
    client: Client, world: Domain
) -> None:
    make_mail(world)
    for model in MODELS:
        row = model._default_manager.first()
        assert row is not None, model
        page = client.get(url(model, "change", row.pk))
        assert page.status_code == 200, model
        assert HOSTILE.encode() not in page.content, model
        assert b"argon2" not in page.content, model
        has_services = not isinstance(admin.site.get_model_admin(model), ReadOnlyAdmin)
        is_fixed = model.__name__.endswith("Settings") or model in TABS.values()
        wanted = 200 if has_services and not is_fixed else 403
        assert client.get(url(model, "add")).status_code == wanted, model
        may_delete = 200 if model in REVOCABLE else wanted
        assert client.get(url(model, "delete", row.pk)).status_code == may_delete, model


def test_nobody_else_comes_in(world: Domain) -> None:
    clients = [log_in(User.objects.get(local_part=who)) for who in ("alice", "admin", "rob")]
    for client in (Client(), *clients):
        for model in MODELS:
            for page in ("changelist", "add"):
                response = client.get(url(model, page))
                assert response.status_code == 302
                assert response["Location"].startswith("/admin/login/")


def test_logging_in_by_the_page_works_for_system_administrators_alone(
    root: User, world: Domain
) -> None:
    client = Client()
    assert "next=/admin/" in client.get("/admin/", follow=True).redirect_chain[-1][0]
    data = {"username": "root", "password": PASSWORD, "next": "/admin/"}
    assert client.post("/panel/login/", data)["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    for who in ("alice", "rob"):
        client = log_in(User.objects.get(local_part=who))
        assert client.get("/admin/", follow=True).status_code == 403
    services.change_user(user=root, values={"status": "disabled"}, by=None)
    data = {"username": "root", "password": PASSWORD}
    assert Client().post("/panel/login/", data).status_code == 403


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


def filled(client: Client, page: str) -> dict[str, Any]:
    """What a browser would send back of the form as it stands."""
    form = client.get(page).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != "" and value is not False
    }


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


def exported(client: Client, model: type[models.Model]) -> list[list[str]]:
    keys = list(model._default_manager.values_list("pk", flat=True))
    answer = client.post(
        url(model, "changelist"), {"action": "export_csv", "_selected_action": keys}
    )
    assert answer["Content-Type"].startswith("text/csv"), model
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.spec("X-002")
def test_every_list_is_exported_without_formulas_and_secrets(client: Client, world: Domain) -> None:
    make_mail(world)
    for model in MODELS:
        if admin.site.get_model_admin(model).actions is None:
            continue
        rows = exported(client, model)
        assert len(rows) == 1 + model._default_manager.count(), model
        texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[0-9.]+", cell)]
        assert not any(text.startswith(csvfiles.DANGEROUS) for text in texts), model
        assert not set(rows[0]) & SECRETS, model
        assert "argon2" not in str(rows), model
    User.objects.filter(local_part="alice").update(full_name="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in str(exported(client, User))


def upload(client: Client, model: type[models.Model], text: str) -> str:
    file = SimpleUploadedFile("rows.csv", text.encode())
    page = url(model, "import_csv")
    assert client.get(page).status_code == 200
    return str(client.post(page, {"file": file}, follow=True).content.decode())


@pytest.mark.spec("X-002")
def test_a_file_is_imported_by_the_services_all_of_it_or_nothing(
    client: Client, root: User, world: Domain
) -> None:
    good = (
        "local_part,domain,full_name,pop_access\n"
        "Bob,world.example,'=Bob,no\n"
        "eve,alias.example,Eve,\n"
    )
    page = upload(client, User, good + "alice,world.example,Again,\nx,nowhere.example,X,\n")
    assert "Nothing was added" in page
    assert "Line 4: alice" in page and "Line 5: " in page and "nowhere.example" in page
    assert not User.objects.filter(local_part="bob").exists()
    assert "Added 2 from the file" in upload(client, User, good)
    bob, eve = (User.objects.get(local_part=name) for name in ("bob", "eve"))
    assert (bob.full_name, bob.pop_access, bob.plus_addressing) == ("=Bob", False, True)
    assert (eve.domain, eve.pop_access) == (world, True)
    entry = AuditEntry.objects.filter(verb="added user").latest("pk")
    assert (entry.actor, entry.client_address) == ("root", "127.0.0.1")
    page = upload(client, RelayNetwork, "network,note\n198.51.100.9,printer\n0.0.0.0/0,all\n")
    assert "Line 3: " in page and RelayNetwork.objects.count() == 1
    assert "file is empty" in upload(client, RelayNetwork, "")
    for bad in ("\n", "nonsense\nx\n", 'network\n"', "network\n" + "x\n" * 6_000):
        assert "Nothing was added" in upload(client, RelayNetwork, bad)
    # What was exported comes back as it was.
    text = b"".join(
        client.post(  # type: ignore[attr-defined]
            url(RelayNetwork, "changelist"),
            {"action": "export_csv", "_selected_action": [RelayNetwork.objects.get().pk]},
        ).streaming_content
    ).decode()
    relay.remove(row=RelayNetwork.objects.get(), by=None)
    assert "Added 1 from the file" in upload(client, RelayNetwork, text)
    assert RelayNetwork.objects.get().network == "192.0.2.0/24"


def test_lists_are_filtered_by_their_times(client: Client, world: Domain) -> None:
    now = utc_now()
    user = User.objects.get(local_part="alice")
    LastActivity.objects.filter(user=user).update(at=now - timedelta(days=3))
    page = url(LastActivity, "changelist")
    assert "Past 7 days" in client.get(page).content.decode()
    for span, count in (("day", 0), ("week", 1), ("nonsense", 1)):
        changelist = client.get(page, {"at__since": span}).context["cl"]
        assert len(changelist.result_list) == count, span


def test_no_list_asks_more_for_thirty_rows_than_for_one(client: Client, world: Domain) -> None:
    make_mail(world)
    numbers = itertools.count(100)
    grown: dict[str, tuple[int, int]] = {}
    for model in MODELS:
        page = url(model, "changelist")
        few = queries(client, page)
        more_of(model, numbers)
        many = queries(client, page)
        if many > few + 1:  # one for each row would be thirty
            grown[model.__name__] = (few, many)
    assert grown == {}


COPIES = 30


def queries(client: Client, page: str) -> int:
    client.get(page)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


def more_of(model: type[models.Model], numbers: Iterator[int]) -> None:
    """Copies of the last row, another in all that must be unique."""
    last = model._default_manager.last()
    assert last is not None, model
    unique = {name for one in model._meta.constraints for name in getattr(one, "fields", ())}
    fields = [f for f in model._meta.concrete_fields if f.unique or f.name in unique]
    fields = [f for f in fields if getattr(last, f.attname) not in (None, "")]
    keys = {f: unused(model, f, numbers) for f in fields if f.is_relation}
    rows = []
    for _ in range(COPIES):
        row = copy.copy(last)
        for field in fields:
            if isinstance(field, models.AutoField):
                # PostgreSQL counts on from rows that were given no key, and some were.
                row.pk = 1_000_000 + next(numbers)
            elif field.is_relation:
                setattr(row, field.attname, next(keys[field]))
            elif isinstance(field, models.IntegerField):
                setattr(row, field.attname, next(numbers))
            elif isinstance(field, models.CharField):
                setattr(row, field.attname, f"n{next(numbers)}"[: field.max_length])
            elif isinstance(field, models.BooleanField):
                setattr(row, field.attname, False)
        rows.append(row)
    model._default_manager.bulk_create(rows)


def unused(model: type[models.Model], field: Any, numbers: Iterator[int]) -> Iterator[Any]:
    """Keys of rows of the related model that no row of this one points to."""
    related = field.related_model
    used = model._default_manager.exclude(**{field.name: None}).values(field.attname)
    keys = list(related._default_manager.exclude(pk__in=used).values_list("pk", flat=True))
    if len(keys) < COPIES:
        more_of(related, numbers)
        return unused(model, field, numbers)
    return iter(keys)


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
