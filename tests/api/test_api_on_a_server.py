"""A reseller's program runs his business over REST, against the whole server."""

import imaplib
import json
import smtplib
import time

import pytest
import requests

from tests.api.generated import Generated, Refused

PASSWORD = "four plain words please"


@pytest.fixture(scope="module")
def base(server):
    return f"http://127.0.0.1:{server.port('http')}"


@pytest.fixture(scope="module")
def root(server, base):
    server.manage("createadmin", "apiroot")
    key = json.loads(server.manage("token", "create", "apiroot", "tests", "--json"))["key"]
    return Generated(base, key)


@pytest.fixture(scope="module")
def reseller(server, base, root):
    root.plans_post(body={"name": "Two", "domains": 2, "users": 10})
    root.resellers_post(body={"username": "apirob", "password": PASSWORD, "plan": "Two"})
    out = server.manage("token", "create", "apirob", "tests", "--json")
    return Generated(base, json.loads(out)["key"])


def new_domain(name):
    return {"name": name, "administrator": {"username": "boss", "password": PASSWORD}}


@pytest.mark.spec("U-004", "X-002")
def test_a_reseller_runs_his_business_by_a_client_made_from_the_schema(server, root, reseller):
    assert reseller.me_get()["plan"] == "Two"
    domain = reseller.domains_post(body=new_domain("one.apirob.example"))
    assert domain["reseller"] == "apirob"
    changed = reseller.domain_view_patch(
        name="one.apirob.example", body={"tabs": {"limits": {"users": 4}}}
    )
    assert changed["tabs"]["limits"]["users"] == 4
    rows = [
        {"address": f"{name}@one.apirob.example", "password": PASSWORD}
        for name in ("ann", "bob", "ann")
    ]
    added = reseller.users_bulk_post(body={"rows": rows})
    assert [row["status"] for row in added["results"]] == [201, 201, 409]
    reseller.aliases_post(body={"address": "info@one.apirob.example", "targets": ["ann"]})
    key = {"Idempotency-Key": "second domain"}
    body = new_domain("two.apirob.example")
    first = reseller.domains_post(body=body, headers=key)
    assert reseller.domains_post(body=body, headers=key) == first
    with pytest.raises(Refused) as full:
        reseller.domains_post(body=new_domain("three.apirob.example"))
    assert full.value.problem["limit"] == "domains"
    with pytest.raises(Refused) as forbidden:
        reseller.gateways_get()
    assert forbidden.value.problem["status"] == 403
    assert len(root.domains_get(q="apirob")["items"]) == 2
    job = reseller.domain_actions_post(
        body={"action": "delete", "names": ["two.apirob.example"], "confirm": True}
    )
    assert wait_for(reseller, job["id"])["result"]["done"] == 1
    assert [row["name"] for row in reseller.domains_get()["items"]] == ["one.apirob.example"]


@pytest.mark.spec("D-008", "X-002", "X-007")
def test_an_operators_program_does_what_the_panels_pages_do(server, root):
    for name in ("a", "b"):
        root.domains_post(body=new_domain(f"{name}.parity.example"))
    network = root.relay_networks_post(body={"network": "198.51.100.7", "note": "shop"})
    changed = root.relay_network_view_get(key=network["id"])
    assert changed == network
    body = {"note": "web shop"}
    assert root.relay_network_view_patch(key=network["id"], body=body)["note"] == "web shop"
    rule = root.hold_rules_post(body={"destination": "parity.test", "reason": "moving"})
    assert root.hold_rules_get()["items"][0]["id"] == rule["id"]
    root.hold_rule_view_delete(key=rule["id"])
    assert root.certificates_get()["items"] is not None
    assert root.domain_limits_get(name="a.parity.example")["items"]
    assert root.spool_statistics_get()["accepted_per_minute"] >= 0
    body = {"kind": "domain-users", "domain": "a.parity.example", "addresses": ["ann@own.example"]}
    report = root.mailed_reports_post(body=body | {"rhythm": "monthly"})
    assert root.mailed_report_view_get(key=report["id"]) == report
    assert root.mailed_report_view_patch(key=report["id"], body={"hour": 7})["hour"] == 7
    assert root.login_provider_view_get()["is_enabled"] is False
    assert root.impersonations_get() == {"items": []}
    lines = "username,password\nann,four plain words please\n"
    job = root.user_import_post(name="a.parity.example", body={"csv": lines})
    assert wait_for(root, job["id"])["result"]["added"] == 1
    names = ["a.parity.example", "b.parity.example"]
    job = root.domain_actions_post(body={"action": "delete", "names": names, "confirm": True})
    assert wait_for(root, job["id"])["result"] == {"done": 2, "refused": 0, "results": []}
    items = root.recycle_bin_get(q="parity.example", kind="domain")["items"]
    for item in items:
        root.recycled_restore_post(key=item["id"])
    assert len(root.domains_get(q="parity")["items"]) == len(items) == 2
    assert root.users_get(domain="a.parity.example", q="ann")["items"]


def wait_for(client, job_id):
    for _ in range(300):
        job = client.job_view_get(job_id=job_id)
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.2)
    raise AssertionError(job)


@pytest.mark.spec("D-026", lacks="the events that it raises")
def test_from_the_moment_a_domain_is_saved_its_administrator_gets_mail(server, root):
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=20) as smtp:
        smtp.ehlo()
        smtp.mail("eve@elsewhere.example")
        for number in range(3):
            name = f"moment{number}.example"
            # From now on the mail process remembers that the name is nobody's.
            assert smtp.rcpt(f"boss@{name}")[0] == 550
            root.domains_post(body=new_domain(name))
            assert smtp.rcpt(f"boss@{name}")[0] == 250
            assert (server.data / "domains" / name).is_dir()
        smtp.rset()
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20) as imap:
        imap.starttls()
        imap.login("boss@moment0.example", PASSWORD)
        folders = b" ".join(line for line in imap.list()[1])
    assert all(name in folders for name in (b"INBOX", b"Sent", b"Drafts", b"Trash"))


def test_two_programs_do_not_overwrite_each_other(base, server, root):
    root.domains_post(body=new_domain("etag.example"))
    out = server.manage("token", "create", "apiroot", "second", "--json")
    other = Generated(base, json.loads(out)["key"])
    for one in (root, other):
        one.domain_view_get(name="etag.example")
    root.domain_view_patch(name="etag.example", body={"is_disabled": True})
    with pytest.raises(Refused) as late:
        other.domain_view_patch(name="etag.example", body={"is_disabled": False})
    assert late.value.problem["status"] == 412


def test_the_page_of_the_api_loads_nothing_from_elsewhere(base):
    page = requests.get(f"{base}/api/docs/", timeout=30)
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "http" not in policy
    assert "http://" not in page.text and "https://" not in page.text
    for part in page.text.split('"'):
        if part.startswith(("/static/", "/api/")):
            assert requests.get(base + part, timeout=30).status_code == 200, part
