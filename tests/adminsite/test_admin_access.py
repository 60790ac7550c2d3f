"""Every page of the Django admin opens for system administrators and for nobody else."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from accounts import services
from accounts.models import User
from adminsite.readonly import ReadOnlyAdmin
from blobs.ids import encode_id
from domains.models import TABS, Domain
from spool.models import SpooledMessage
from tests.adminsite.adminrows import HOSTILE, MODELS, log_in, make_mail, url
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

# Read-only in all else: to delete one is to revoke it.
REVOCABLE = [apps.get_model("api", "ApiToken")]


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


@pytest.mark.once
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
