"""Reports that are mailed, over REST: added, changed, sent, deleted, taken back, and by whom."""

import pytest

from domains.models import DomainFeatures
from events.models import AuditEntry
from reports.models import Rhythm, Run, Schedule

WEEKLY = {"kind": "domain-users", "domain": "own.example", "addresses": ["ann@shop.example"]}


@pytest.mark.spec("R-020")
def test_a_report_is_mailed_changed_sent_and_deleted(world, program):
    asker = program(world.reseller)
    made = asker.call("post", "mailed-reports/", WEEKLY | {"rhythm": "monthly", "hour": 7})
    assert made.status_code == 201, made.json()
    path = f"mailed-reports/{made.json()['id']}/"
    row = Schedule.objects.get()
    assert made["Location"].endswith(path) and row.owner == world.reseller
    assert (row.domain, row.rhythm, row.hour) == (world.own, Rhythm.MONTHLY, 7)
    changed = asker.change(path, {"hour": 8, "addresses": ["bob@shop.example"]})
    assert changed.status_code == 200, changed.json()
    row.refresh_from_db()
    assert (row.hour, row.addresses, row.rhythm) == (8, ["bob@shop.example"], Rhythm.MONTHLY)
    tag = changed["ETag"]
    assert asker.call("patch", path, {"hour": 9}).status_code == 428
    assert asker.call("patch", path, {"hour": 9}, **{"If-Match": '"other"'}).status_code == 412
    sent = asker.call("post", f"{path}send/")
    assert sent.status_code == 202 and sent.json()["state"] == Run.State.PENDING
    shown = asker.call("get", path)
    # Sending is no change: who has read the settings may still change them.
    assert shown.json()["last_run"] == sent.json() and shown["ETag"] == tag
    assert [one["id"] for one in asker.call("get", "mailed-reports/").json()["items"]] == [row.pk]
    assert asker.call("delete", path).status_code == 204
    assert asker.call("get", path).status_code == 404 and not Schedule.objects.exists()


def test_a_request_that_is_sent_again_adds_one_report(world, program):
    asker = program(world.admin)
    key = {"Idempotency-Key": "weekly report"}
    answers = [asker.call("post", "mailed-reports/", WEEKLY, **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json() and Schedule.objects.count() == 1


def test_whoever_names_nothing_gets_reports_on_himself(world, program):
    made = program(world.user).call("post", "mailed-reports/", {"kind": "user-activity"})
    assert made.status_code == 201, made.json()
    body = made.json()
    assert (body["user"], body["addresses"]) == ("alice@own.example", ["alice@own.example"])
    of_domain = program(world.admin).call("post", "mailed-reports/", {"kind": "domain-traffic"})
    assert of_domain.json()["domain"] == "own.example"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"domain": "other.example"}, "domain"),
        ({"domain": "nowhere.example"}, "domain"),
        ({"user": "alice@own.example"}, "user"),
        ({"addresses": ["nonsense"]}, "addresses"),
        ({"addresses": []}, "addresses"),
        ({"hour": 24}, "hour"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_mailed_is_refused_at_its_field(world, program, body, field):
    answer = program(world.reseller).call("post", "mailed-reports/", WEEKLY | body)
    assert answer.status_code == 422, answer.json()
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert not Schedule.objects.exists()


def test_mailed_reports_of_others_do_not_exist(world, program):
    made = program(world.reseller).call("post", "mailed-reports/", WEEKLY)
    path = f"mailed-reports/{made.json()['id']}/"
    for stranger in (world.other_reseller, world.other_admin, world.user):
        asker = program(stranger)
        assert asker.call("get", "mailed-reports/").json()["items"] == []
        for method, at, body in (
            ("get", path, None), ("patch", path, {"hour": 1}), ("delete", path, None),
            ("post", f"{path}send/", None),
        ):  # fmt: skip
            assert asker.call(method, at, body, **{"If-Match": "*"}).status_code == 404
    assert program(world.admin).call("get", path).status_code == 200


def test_a_user_cannot_send_a_report_about_himself_elsewhere(world, program):
    body = {"kind": "user-activity", "user": "alice@own.example", "addresses": ["a@b.example"]}
    made = program(world.admin).call("post", "mailed-reports/", body)
    assert made.status_code == 201, made.json()
    path = f"mailed-reports/{made.json()['id']}/"
    asker = program(world.user)
    elsewhere = asker.change(path, {"addresses": ["mallory@elsewhere.example"]})
    assert elsewhere.status_code == 422 and elsewhere.json()["errors"][0]["field"] == "addresses"
    assert asker.change(path, {"addresses": ["alice@own.example"]}).status_code == 200


@pytest.mark.spec("D-068")
def test_where_reports_are_not_mailed_the_domains_own_people_add_none(world, program):
    DomainFeatures.objects.filter(domain=world.own).update(email_reports=False)
    refused = program(world.admin).call("post", "mailed-reports/", WEEKLY)
    assert refused.status_code == 403
    assert refused.json()["type"] == "/api/problems/feature-off/"
    assert program(world.reseller).call("post", "mailed-reports/", WEEKLY).status_code == 201


def test_a_deleted_mailed_report_comes_back_by_undo(world, program):
    asker = program(world.reseller)
    made = asker.call("post", "mailed-reports/", WEEKLY | {"hour": 5})
    asker.call("delete", f"mailed-reports/{made.json()['id']}/")
    entry = AuditEntry.objects.get(verb="deleted mailed report")
    undone = asker.call("post", f"audit/{entry.pk}/undo/", {})
    assert undone.status_code == 200, undone.json()
    assert Schedule.objects.get().hour == 5


def test_a_token_for_reading_reports_mails_none(world, program):
    asker = program(world.reseller, "reports:read")
    assert asker.call("get", "mailed-reports/").status_code == 200
    refused = asker.call("post", "mailed-reports/", WEEKLY)
    assert refused.json()["type"] == "/api/problems/scope-missing/"
