"""What crashes have left, over REST: for the provider alone."""

import pytest
from django.test import Client

from blobs.ids import encode_id
from events.models import AuditEntry
from spool import lost
from spool.models import LostRecord, LostState, SpooledMessage
from tests.panel.spoolworld import HOSTILE
from tests.people import make_world
from tests.spool import outgoing
from tests.spool.crashing import crash, prepared, start_again
from tests.spool.outgoing import MESSAGE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("S-058")]
ONE = "lost-mail/{}/"


@pytest.fixture
def world(db, settings, tmp_path):
    outgoing.stop_committer()
    outgoing.forget_everything()
    settings.MAILHOST_DATA = tmp_path
    yield make_world()
    outgoing.stop_committer()


@pytest.fixture
def row(world):
    body = MESSAGE.replace(b"Hello", HOSTILE.encode())
    crash(prepared("bob@far.test", "eve@far.test", sender="alice@own.example", body=body))
    start_again()
    return LostRecord.objects.select_related("area").get()


def test_it_is_listed_and_read(world, program, row):
    asker = program(world.root, "spool:read")
    (shown,) = asker.call("get", "lost-mail/?state=waiting&count=true").json()["items"]
    assert shown == asker.call("get", ONE.format(row)).json()
    assert (shown["id"], shown["sender"], shown["recipients"], shown["message_id"]) == (
        str(row), "alice@own.example", ["bob@far.test", "eve@far.test"], "1@one.example",
    )  # fmt: skip
    assert shown["file"].startswith("spool/lost+found/") and shown["spool_id"] is None
    assert shown["found_at"] < shown["requeue_at"] < shown["patience_until"] < shown["forget_at"]
    assert shown["can_requeue"] and shown["can_delete"]
    assert asker.call("get", "lost-mail/?state=kept").json()["items"] == []
    assert asker.call("get", "lost-mail/?state=nothing").status_code == 422
    text = asker.call("get", ONE.format(row) + "text/")
    assert {"name": "Subject", "value": HOSTILE} in text.json()["header"]
    assert text["Content-Type"] == "application/json"
    assert AuditEntry.objects.filter(verb="viewed what a crash had left").count() == 1
    for path, method in (("", "delete"), ("requeue/", "post")):
        assert asker.call(method, ONE.format(row) + path).status_code == 403
    assert LostRecord.objects.get().state == LostState.WAITING


def test_it_is_put_into_the_spool_once(world, program, row):
    asker = program(world.root, "spool:write")
    made = asker.call("post", ONE.format(row) + "requeue/")
    message = SpooledMessage.objects.get()
    assert made.json() == {"spool_id": encode_id(message.pk)}
    shown = asker.call("get", ONE.format(row)).json()
    assert (shown["state"], shown["spool_id"]) == ("requeued", encode_id(message.pk))
    assert shown["requeue_at"] is None and not shown["can_requeue"]
    again = asker.call("post", ONE.format(row) + "requeue/")
    assert (again.status_code, again.json()["type"]) == (409, "/api/problems/not-requeued/")
    assert asker.call("get", ONE.format(row) + "text/").status_code == 404
    assert asker.call("delete", ONE.format(row)).status_code == 404
    assert SpooledMessage.objects.count() == 1


def test_it_is_deleted(world, program, row):
    asker = program(world.root)
    assert asker.call("delete", ONE.format(row), **{"If-Match": '"other"'}).status_code == 412
    assert lost.path_of(row).exists()
    assert asker.call("delete", ONE.format(row)).status_code == 204
    assert not lost.path_of(row).exists()
    assert AuditEntry.objects.filter(verb="deleted what a crash had left", actor="root").exists()
    assert asker.call("get", ONE.format(row)).json()["state"] == "deleted"
    assert asker.call("post", ONE.format(row) + "requeue/").status_code == 409


def test_nobody_else_sees_or_touches_it(world, program, row):
    for who in (world.reseller, world.other_reseller, world.admin, world.other_admin, world.user):
        asker = program(who)
        for method, path in (
            ("get", ""), ("get", "text/"), ("post", "requeue/"), ("delete", ""),
        ):  # fmt: skip
            answer = asker.call(method, ONE.format(row) + path)
            assert answer.status_code == 403, (who, path)
            assert "alice" not in answer.content.decode()
        assert asker.call("get", "lost-mail/").status_code == 403
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(world.root)
    for method, path in (("post", "requeue/"), ("delete", "")):
        assert getattr(forged, method)("/api/v1/" + ONE.format(row) + path).status_code == 403
    assert LostRecord.objects.get().state == LostState.WAITING
    assert not SpooledMessage.objects.exists()
