"""What the panel's further pages do, over REST: certificates, relaying, recycle bin and more."""

from datetime import timedelta

import pytest
from django.conf import settings as conf

from accounts.models import ForwardingBan, Recycled, User
from administration import undojob
from certificates.models import Certificate
from certificates.settings import ACME
from clock.moments import utc_now
from domains.models import Domain
from logbook.lines import Line
from messaging.models import MassMail, Reminder, ReminderOfUser
from operations.models import RelayNetwork, Transcript
from spool.models import HoldRule, RelayDomain, SingleDestination, SpooledRecipient, State
from tests.api.test_spool_api import make_message
from tests.authority import Authority
from tests.dns_server import ThreadedDnsServer


@pytest.mark.spec("N-004")
def test_a_certificate_is_installed_and_removed_and_its_key_is_never_told(
    world, program, settings, tmp_path
):
    settings.MAILHOST_CERTIFICATES = tmp_path
    asker = program(world.root)
    chain, key = Authority(utc_now()).bundle("mail.own.example")
    body = {"host": "mail.own.example", "chain": chain.decode(), "key": key.decode()}
    for wrong in ({"chain": "nonsense"}, {"host": "elsewhere.example"}, {"host": "no host"}):
        assert asker.call("post", "certificates/", body | wrong).status_code == 422, wrong
    assert not Certificate.objects.exists()
    made = asker.call("post", "certificates/", body)
    assert made.status_code == 201, made.json()
    path = "certificates/mail.own.example/"
    assert made["Location"].endswith(path) and key.decode() not in made.content.decode()
    assert asker.call("get", path).json()["issuer"]
    assert len(asker.call("get", "certificates/?q=own").json()["items"]) == 1
    assert asker.call("delete", path, **{"If-Match": '"other"'}).status_code == 412
    assert asker.call("delete", path).status_code == 204
    assert asker.call("get", path).status_code == 404


@pytest.mark.spec("N-005")
def test_a_certificate_is_ordered_where_the_terms_are_agreed_to(world, program):
    asker = program(world.root)
    body = {"host": "mail.own.example"}
    off = asker.call("post", "certificates/orders/", body)
    assert off.status_code == 409 and off.json()["type"] == "/api/problems/acme-off/"
    ACME.change({"is_enabled": True, "agrees_to_terms": True}, by=None)
    wildcard = asker.call("post", "certificates/orders/", {"host": "*.own.example"})
    assert wildcard.json()["type"] == "/api/problems/not-orderable/"
    ordered = asker.call("post", "certificates/orders/", body)
    assert ordered.status_code == 202 and ordered.json()["renew_at"] is not None


def test_a_transcript_is_started_read_and_stopped(world, program, settings, tmp_path):
    settings.MAILHOST_DATA = tmp_path
    asker = program(world.root)
    assert asker.call("post", "transcripts/", {"subject": "nobody"}).status_code == 422
    made = asker.call("post", "transcripts/", {"subject": "alice@own.example", "minutes": 5})
    assert made.status_code == 201 and made.json()["is_running"]
    path = f"transcripts/{made.json()['id']}/"
    row = Transcript.objects.get()
    assert row.ends_at - row.started_at == timedelta(minutes=5)
    assert asker.call("get", f"{path}lines/").json() == {"items": [], "next": None}
    assert asker.call("post", f"{path}stop/").json()["is_running"] is False
    assert asker.call("get", "transcripts/").json()["items"][0]["stopped_at"] is not None


def test_the_lines_of_a_transcript_come_page_by_page(world, program, monkeypatch):
    asker = program(world.root)
    key = asker.call("post", "transcripts/", {"subject": "192.0.2.1"}).json()["id"]
    lines = [Line(time=str(n), session="s", text=f"C: {n}") for n in range(5)]
    monkeypatch.setattr("operations.transcripts.read", lambda row: iter(lines))
    first = asker.call("get", f"transcripts/{key}/lines/?size=3").json()
    assert (len(first["items"]), first["next"]) == (3, 3)
    rest = asker.call("get", f"transcripts/{key}/lines/?size=3&after=3").json()
    assert ([one["text"] for one in rest["items"]], rest["next"]) == (["C: 3", "C: 4"], None)


@pytest.mark.spec("G-040")
def test_relay_networks_are_kept(world, program):
    asker = program(world.root)
    made = asker.call("post", "relay-networks/", {"network": "192.0.2.0/28", "note": "shop"})
    assert made.status_code == 201, made.json()
    path = f"relay-networks/{made.json()['id']}/"
    for network, kind in (("0.0.0.0/0", "network-too-wide"), ("x", "network-malformed")):
        refused = asker.call("post", "relay-networks/", {"network": network})
        assert refused.json()["type"] == f"/api/problems/{kind}/"
    assert asker.call("patch", path, {"note": "x"}).status_code == 428
    assert asker.change(path, {"note": "web shop"}).json()["note"] == "web shop"
    assert made.json()["services"] == ["smtp"]
    changed = asker.change(path, {"services": ["submission", "smtp"]}).json()
    assert (changed["services"], changed["note"]) == (["smtp", "submission"], "web shop")
    assert asker.change(path, {"services": ["imap"]}).status_code == 422
    assert len(asker.call("get", "relay-networks/?q=192.0.2").json()["items"]) == 1
    assert asker.call("delete", path).status_code == 204
    assert not RelayNetwork.objects.exists()


@pytest.mark.spec("G-016")
def test_relay_domains_are_kept(world, program):
    asker = program(world.root)
    made = asker.call("post", "relay-domains/", {"name": "far.example", "host": "mx.far.example"})
    assert made.status_code == 201, made.json()
    assert asker.call("post", "relay-domains/", {"name": "own.example"}).status_code == 409
    path = f"relay-domains/{made.json()['id']}/"
    assert asker.change(path, {"port": 2525}).json()["port"] == 2525
    assert asker.change(path, {"host": "no host"}).status_code == 422
    assert asker.call("delete", path).status_code == 204
    assert not RelayDomain.objects.exists()


@pytest.mark.spec("G-045")
def test_the_forwarding_blacklist_is_kept(world, program):
    asker = program(world.root)
    made = asker.call("post", "forwarding-blacklist/", {"name": "*.strict.example"})
    assert made.status_code == 201, made.json()
    path = f"forwarding-blacklist/{made.json()['id']}/"
    assert asker.change(path, {"note": "they blame us"}).json()["note"] == "they blame us"
    again = asker.call("post", "forwarding-blacklist/", {"name": "*.strict.example"})
    assert again.status_code == 422
    assert asker.call("delete", path).status_code == 204
    assert not ForwardingBan.objects.exists()


@pytest.mark.spec("S-040")
def test_single_recipient_destinations_and_switches_are_kept(world, program):
    asker = program(world.root)
    made = asker.call("post", "single-destinations/", {"name": ".lists.example"})
    assert made.status_code == 201, made.json()
    path = f"single-destinations/{made.json()['id']}/"
    assert asker.change(path, {"note": "VERP"}).json()["note"] == "VERP"
    listed = asker.call("get", "single-destinations/?q=lists").json()["items"]
    assert [one["name"] for one in listed] == [".lists.example"]
    again = asker.call("post", "single-destinations/", {"name": ".lists.example"})
    assert again.status_code == 409
    assert asker.call("delete", path).status_code == 204
    assert not SingleDestination.objects.exists()
    made = asker.call("post", "relay-domains/", {"name": "far.example"}).json()
    assert made["one_recipient_at_a_time"] is False
    path = f"relay-domains/{made['id']}/"
    changed = asker.change(path, {"one_recipient_at_a_time": True})
    assert changed.json()["one_recipient_at_a_time"] is True


def test_a_hold_rule_catches_what_is_there_and_lets_it_go_when_removed(world, program):
    make_message(world.own)
    make_message(world.own, to="x@near.example")
    asker = program(world.root)
    for wrong in ({"reason": "all of it"}, {"reason": "x", "domain": "nowhere.example"}):
        assert asker.call("post", "hold-rules/", wrong).status_code == 422, wrong
    body = {"destination": "far.example", "domain": "own.example", "reason": "they are moving"}
    made = asker.call("post", "hold-rules/", body)
    assert made.status_code == 201 and made.json()["held"] == 2, made.json()
    assert SpooledRecipient.objects.filter(state=State.HELD).count() == 2
    path = f"hold-rules/{made.json()['id']}/"
    assert asker.call("get", path).json()["domain"] == "own.example"
    assert asker.call("delete", path).status_code == 204
    assert not HoldRule.objects.exists()
    assert not SpooledRecipient.objects.filter(state=State.HELD).exists()


@pytest.mark.spec("D-008")
def test_a_deleted_user_comes_back_or_goes_for_good(world, program):
    asker = program(world.reseller)
    asker.call("delete", "users/alice@own.example/")
    items = asker.call("get", "recycle-bin/?kind=user&q=alice").json()["items"]
    assert [one["name"] for one in items] == ["alice@own.example"]
    path = f"recycle-bin/{items[0]['id']}/"
    stranger = program(world.other_reseller)
    assert stranger.call("get", "recycle-bin/").json()["items"] == []
    assert stranger.call("post", f"{path}restore/").status_code == 404
    assert stranger.call("delete", f"{path}?confirm=alice@own.example").status_code == 404
    assert asker.call("post", f"{path}restore/").json()["problems"] == []
    assert User.objects.filter(domain=world.own, local_part="alice").exists()
    asker.call("delete", "users/alice@own.example/")
    path = f"recycle-bin/{Recycled.objects.get().pk}/"
    assert asker.call("delete", f"{path}?confirm=alice").status_code == 422
    assert asker.call("delete", f"{path}?confirm=alice@own.example").status_code == 204
    assert not User.everything.filter(domain=world.own, local_part="alice").exists()


def test_a_restored_domain_needs_room_in_the_plan(world, program):
    asker, root = program(world.reseller), program(world.root)
    assert asker.call("delete", "domains/own.example/?confirm=own.example").status_code == 204
    root.call("post", "plans/", {"name": "Small", "domains": 1})
    root.change("resellers/rob/", {"plan": "Small"})
    new = {
        "name": "new.example",
        "administrator": {"username": "boss", "password": "four plain words please"},
    }  # noqa: E501
    assert asker.call("post", "domains/", new).status_code == 201
    path = f"recycle-bin/{Recycled.objects.get().pk}/restore/"
    full = asker.call("post", path)
    assert full.status_code == 409 and full.json()["limit"] == "domains"
    assert asker.call("delete", "domains/new.example/?confirm=new.example").status_code == 204
    assert asker.call("post", path).status_code == 200
    assert Domain.objects.filter(name="own.example").exists()


@pytest.mark.spec("D-028", "G-030", "G-031")
def test_the_records_of_a_domain_are_told_and_checked(world, program, monkeypatch):
    monkeypatch.setattr(conf, "MAILHOST_HOSTNAME", "mx.host.test")
    monkeypatch.setattr("zones.facts.own_addresses", frozenset)
    known = {("own.example", "MX"): ["10 mx.host.test."], ("mx.host.test", "A"): ["192.0.2.1"]}
    with ThreadedDnsServer(known) as server:
        monkeypatch.setattr(conf, "MAILHOST_DNS_SERVERS", [server.address])
        asker = program(world.admin)
        shown = asker.call("get", "domains/own.example/dns/").json()
        assert shown["report"] is None
        lines = [one["line"] for one in shown["records"]]
        assert "own.example. 3600 IN MX 10 mx.host.test." in lines
        report = asker.call("post", "domains/own.example/dns/check/").json()
        assert {one["check"]: one["level"] for one in report["findings"]}["mx"] == "ok"
        assert asker.call("get", "domains/own.example/dns/").json()["report"] == report
        assert program(world.other_admin).call("get", "domains/own.example/dns/").status_code == 404


def test_the_limits_in_force_name_what_binds_and_tell_customers_no_plan(world, program):
    root = program(world.root)
    root.call("post", "plans/", {"name": "Small", "domains": 9, "users": 7})
    root.change("resellers/rob/", {"plan": "Small"})

    def users_of(who):
        items = program(who).call("get", "domains/own.example/limits/").json()["items"]
        return next(one for one in items if one["limit"] == "users")

    assert users_of(world.reseller)["binding"] == "plan Small, all domains together"
    assert users_of(world.admin)["binding"] == "provider"
    assert "Small" not in program(world.user).call(
        "get", "users/alice@own.example/limits/").content.decode()  # fmt: skip


MAIL = {
    "audience": "domain", "of": "own.example", "author_name": "Hosting", "subject": "News",
    "text": "Dear {name}",
}  # fmt: skip


@pytest.mark.spec("B-002", "B-009")
def test_mail_to_many_is_begun_paused_and_seen_by_its_sender_alone(world, program):
    asker = program(world.reseller)
    count = "messaging/audience/?audience=domain&of="
    assert asker.call("get", f"{count}own.example").json() == {"users": 2}
    assert asker.call("get", f"{count}other.example").status_code == 422
    assert asker.call("post", "mass-mail/", MAIL | {"of": "other.example"}).status_code == 422
    begun = asker.call("post", "mass-mail/", MAIL)
    assert begun.status_code == 202 and begun.json()["total"] == 2, begun.json()
    path = f"mass-mail/{begun.json()['id']}/"
    assert program(world.other_reseller).call("get", path).status_code == 404
    assert program(world.other_reseller).call("post", f"{path}cancel/").status_code == 404
    assert asker.call("post", f"{path}pause/").json()["state"] == "paused"
    assert asker.call("post", f"{path}pause/").status_code == 409
    assert asker.call("post", f"{path}explode/").status_code == 404
    assert asker.call("post", f"{path}cancel/").json()["state"] == "cancelled"
    assert asker.call("get", "mass-mail/").json()["items"][0]["id"] == MassMail.objects.get().pk
    assert asker.call("get", f"jobs/{begun.json()['job_id']}/").json()["kind"]


@pytest.mark.spec("B-013")
def test_a_reminder_is_answered_by_whom_it_is_for(world, program):
    body = {"audience": "user", "of": "alice@own.example", "subject": "Hello", "text": "There."}
    begun = program(world.reseller).call("post", "reminders/", body)
    assert begun.status_code == 202, begun.json()
    row = ReminderOfUser.objects.create(
        reminder=Reminder.objects.get(), account=world.user, show_at=utc_now()
    )
    asker = program(world.user)
    items = asker.call("get", "me/reminders/").json()["items"]
    assert [(one["id"], one["subject"]) for one in items] == [(row.pk, "Hello")]
    path, dismiss = f"me/reminders/{row.pk}/", {"answer": "dismiss"}
    assert program(world.admin).call("post", path, dismiss).status_code == 404
    assert asker.call("post", path, {"answer": "later"}).status_code == 204
    assert asker.call("get", "me/reminders/").json()["items"] == []
    assert asker.call("post", path, dismiss).status_code == 204
    assert asker.call("post", path, dismiss).status_code == 404


def test_what_a_scope_does_not_name_stays_shut(world, program):
    for path, scope in (
        ("certificates/", "certificates"), ("relay-networks/", "relaying"),
        ("recycle-bin/", "recycle-bin"), ("mass-mail/", "messaging"),
    ):  # fmt: skip
        refused = program(world.root, "domains:write", "settings:write").call("get", path)
        assert refused.status_code == 403 and f"{scope}:read" in refused.json()["detail"]
        assert program(world.root, f"{scope}:read").call("get", path).status_code == 200


@pytest.mark.spec("X-005")
def test_an_operation_tells_whether_it_can_be_undone_and_the_rest_alone(world, program):
    asker = program(world.reseller)
    values = {"is_disabled": True, "tabs": {"limits": {"users": 77}}}
    asker.change("domains/own.example/", values)
    key = asker.call("get", "audit/?q=verb:options").json()["items"][0]["id"]
    shown = asker.call("get", f"audit/{key}/").json()
    assert (shown["entries"], shown["can_undo"], shown["conflicts"]) == (2, True, [])
    asker.change("domains/own.example/", {"tabs": {"limits": {"users": 78}}})
    shown = asker.call("get", f"audit/{key}/").json()
    assert shown["can_undo"] is False and "78" in shown["conflicts"][0]["reason"]
    assert program(world.other_reseller).call("get", f"audit/{key}/").status_code == 404
    refused = asker.call("post", f"audit/{key}/undo/")
    assert refused.status_code == 409 and refused.json()["type"] == "/api/problems/undo-refused/"
    rest = {"skip_conflicts": True, "reason": "by mistake"}
    assert asker.call("post", f"audit/{key}/undo/", rest).json()["undone"] == 1
    assert not Domain.objects.get(name="own.example").is_disabled
    latest = asker.call("get", "audit/?q=verb:options").json()["items"][0]
    assert latest["reason"] == "by mistake"


def test_undoing_a_large_change_becomes_a_job(world, program, monkeypatch):
    monkeypatch.setattr(undojob, "MOST_AT_ONCE", 1)
    asker = program(world.reseller)
    values = {"is_disabled": True, "tabs": {"limits": {"users": 77}}}
    asker.change("domains/own.example/", values)
    key = asker.call("get", "audit/?q=verb:options").json()["items"][0]["id"]
    begun = asker.call("post", f"audit/{key}/undo/")
    assert begun.status_code == 202 and begun.json()["kind"] == "undo-operation"
    place = begun["Location"].removeprefix("/api/v1/")
    assert asker.call("get", place).json()["total"] == 2
    assert program(world.other_reseller).call("get", place).status_code == 404
