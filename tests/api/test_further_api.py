"""Further verbs of the panel over REST: lists, texts, downloads, imports, presets, web hooks."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.db import connection

from accounts import inactivity
from accounts.models import User
from accounts.tasks import import_users
from api import webhooks
from api.models import Webhook, WebhookDelivery
from blobs.ids import encode_id
from clock.moments import utc_now
from events.models import AuditEntry
from jobs.models import Job, State
from jobs.progress import Progress
from logbook.kinds import Kind
from logbook.writer import BOOK
from operations import logs, rules
from operations.models import AbuseRule, BlacklistEntry
from tests.api.conftest import Program, key_for
from tests.api.test_spool_api import make_message
from tests.panel.activity import make_connection, make_process
from tests.people import make_world
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, submit

CSV = "username,password,full_name\nann,four plain words please,Ann\nalice,,Alice\nb ad,,Bad\n"


@pytest.mark.spec("U-024")
def test_users_are_imported_from_csv_after_a_rehearsal(world, program):
    asker = program(world.admin)
    path = "domains/own.example/users/import/"
    told = asker.call("post", path, {"csv": CSV, "is_rehearsal": True}).json()
    assert (told["adding"], told["leaving"], told["refused"]) == (1, 1, 1)
    assert told["results"][0]["line"] == 4 and not Job.objects.exists()
    begun = asker.call("post", path, {"csv": CSV})
    assert begun.status_code == 202, begun.json()
    job = Job.objects.get()
    assert "four plain words" not in str(job.arguments)
    import_users(Progress(job_id=job.pk, actor_id=job.actor_id), **job.arguments)
    assert User.objects.filter(domain=world.own, local_part="ann").exists()
    place = begun["Location"].removeprefix("/api/v1/")
    assert asker.call("get", place).status_code == 200
    assert program(world.other_admin).call("get", place).status_code == 404
    for wrong in ("", "nonsense\nx\n", "username\n"):
        assert asker.call("post", path, {"csv": wrong}).status_code == 422, wrong
    assert program(world.other_admin).call("post", path, {"csv": CSV}).status_code == 404


@pytest.mark.spec("M-030")
def test_inactive_users_are_those_in_sight(world, program):
    User.objects.update(created_at=utc_now() - timedelta(days=100))
    asker = program(world.reseller)
    items = asker.call("get", "inactive-users/?period=90d").json()["items"]
    assert {one["address"] for one in items} == {"admin@own.example", "alice@own.example"}
    assert asker.call("get", "inactive-users/?period=6m").json()["items"] == []
    first = asker.call("get", "inactive-users/?size=1").json()
    assert asker.call("get", first["next"].removeprefix("/api/v1/")).json()["next"] is None
    assert asker.call("get", "inactive-users/?domain=other.example").status_code == 404
    assert asker.call("get", "inactive-users/?period=1d").status_code == 422
    assert len(list(inactivity.Period)) == 4


@pytest.mark.parametrize("name", ["blacklist", "whitelist"])
@pytest.mark.spec("X-006")
def test_several_networks_are_listed_each_by_itself(world, program, name):
    rows = [{"network": "198.51.100.0/28", "note": "noisy"}, {"network": "x"}]
    asker = program(world.root)
    answer = asker.call("post", f"{name}/bulk/", {"rows": rows})
    assert answer.status_code == 207, answer.json()
    assert [row["status"] for row in answer.json()["results"]] == [201, 422]
    assert len(asker.call("get", f"{name}/").json()["items"]) == 1


def test_a_preset_sets_the_rules_that_it_names(world, program):
    AbuseRule.objects.all().delete()
    asker = program(world.root)
    name = next(iter(rules.PRESETS))
    items = asker.call("post", "abuse-rules/preset/", {"preset": name}).json()["items"]
    assert len(items) == len(rules.PRESETS[name]) == AbuseRule.objects.count()
    assert asker.call("post", "abuse-rules/preset/", {"preset": "none"}).status_code == 422


@pytest.mark.spec("M-043")
def test_connections_are_counted_by_address(world, program):
    process = make_process()
    for _ in range(2):
        make_connection(process, client_address="192.0.2.9")
    items = program(world.root).call("get", "connections/by-address/").json()["items"]
    assert [(one["client_address"], one["connections"]) for one in items] == [("192.0.2.9", 2)]


@pytest.mark.spec("M-086")
def test_a_log_is_downloaded_with_the_lines_in_sight(world, program, settings, tmp_path):
    settings.MAILHOST_DATA = tmp_path
    BOOK.open(logs.folder())
    BOOK.note(Kind.SMTP, "about own", session=1, domains=("own.example",))
    BOOK.note(Kind.SMTP, "about other", session=2, domains=("other.example",))
    BOOK.flush()
    path = f"logs/smtp/{utc_now().date().isoformat()}/"
    answer = program(world.admin).call("get", f"{path}download/", Accept="application/zip")
    assert answer.status_code == 200 and answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        (name,) = archive.namelist()
        content = archive.read(name).decode()
    assert "about own" in content and "about other" not in content
    assert AuditEntry.objects.filter(verb="downloaded a log").exists()
    assert program(world.admin).call("get", f"{path}?domain=other.example").status_code == 404
    lines = program(world.root).call("get", f"{path}?domain=other.example").json()["items"]
    assert [one["text"] for one in lines] == ["about other"]


def test_changes_of_the_spool_are_told_to_who_made_them(world, program):
    make_message(world.own)
    asker = program(world.reseller)
    body = {"action": "hold", "filter": {"destination": "far.example"}, "reason": "wait"}
    change = asker.call("post", "spool/actions/", body).json()["change_id"]
    items = asker.call("get", "spool/changes/").json()["items"]
    assert [(one["id"], one["verb"], one["done"]) for one in items] == [(change, "hold", 1)]
    assert program(world.other_reseller).call("get", "spool/changes/").json()["items"] == []
    assert len(program(world.root).call("get", "spool/changes/").json()["items"]) == 1


def test_the_spool_is_told_in_numbers(world, program):
    shown = program(world.root).call("get", "spool/statistics/").json()
    assert shown["messages"] is None and shown["destinations"] == []


MAIL = (
    b"From: x@far.test\r\nSubject: <b>Hello</b>\r\nContent-Type: text/html\r\n\r\n"
    b"<p>Hi</p><script>alert(1)</script>\r\n"
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("S-031")
def test_the_text_of_a_message_is_for_operators_and_each_look_is_on_record(world, program):
    outgoing.forget_everything()
    try:
        spool_id = encode_id(submit("a@far.test", sender="alice@own.example", body=MAIL))
        asker = program(world.root)
        shown = asker.call("get", f"spool/{spool_id}/text/").json()
        assert {"name": "Subject", "value": "<b>Hello</b>"} in shown["header"]
        assert "Hi" in shown["text"] and "alert" not in shown["text"] and shown["is_from_html"]
        file = asker.call("get", f"spool/{spool_id}/download/")
        assert b"".join(file.streaming_content).endswith(MAIL)
        assert file["Content-Disposition"].startswith("attachment")
        assert program(world.admin).call("get", f"spool/{spool_id}/text/").status_code == 403
        verbs = set(AuditEntry.objects.values_list("verb", flat=True))
        assert {"viewed mail in the spool", "downloaded mail in the spool"} <= verbs
    finally:
        outgoing.stop_committer()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("G-001")
async def test_a_gateway_is_tried_out(db):
    def ask(port):
        asker = Program(key_for(make_world().root))
        body = {"name": "smart", "host": "127.0.0.1", "port": port, "encryption": "none"}
        made = asker.call("post", "gateways/", body)
        assert made.status_code == 201, made.json()
        told = asker.call("post", f"gateways/{made.json()['id']}/test/").json()
        connection.close()  # this thread's own
        return told

    async with Sink() as sink:
        told = await in_thread(ask)(sink.port)
    assert told["is_ok"], told
    assert any("EHLO" in line for line in told["dialogue"])


def test_a_job_that_ended_is_told_to_the_web_hooks_of_those_who_see_it(world, program):
    for who in ("reseller", "other_reseller", "root"):
        owner, now = getattr(world, who), utc_now() - timedelta(seconds=5)
        values = {"url": "https://hooks.example/x", "topics": ["job"]}
        webhooks.add(owner=owner, values=values, by=None, now=now)
    Job.objects.create(
        kind="set-domains", actor_id=world.reseller.pk, actor="rob", state=State.DONE, done=3,
        total=3, created_at=utc_now(), finished_at=utc_now(),
    )  # fmt: skip
    for _ in range(2):
        webhooks.collect(now=utc_now() + timedelta(seconds=1))
    told = {
        row.webhook.owner.local_part: row.payload
        for row in WebhookDelivery.objects.select_related("webhook__owner")
    }
    assert set(told) == {"rob", "root"} and WebhookDelivery.objects.count() == 2
    assert told["rob"]["verb"] == "job done" and told["rob"]["job"]["done"] == 3


def test_web_hooks_may_choose_among_the_new_topics(world, program):
    asker = program(world.root)
    body = {"url": "https://hooks.example/x", "topics": ["relaying", "certificate", "spool"]}
    assert asker.call("post", "webhooks/", body).status_code == 201
    asker.call("post", "relay-networks/", {"network": "192.0.2.1"})
    asker.call("post", "blacklist/", {"network": "198.51.100.1"})
    Webhook.objects.update(created_at=utc_now() - timedelta(minutes=1))
    webhooks.collect(now=utc_now() + timedelta(seconds=1))
    assert [row.payload["verb"] for row in WebhookDelivery.objects.all()] == ["added relay network"]
    assert BlacklistEntry.objects.exists()
