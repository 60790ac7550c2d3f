"""Every other resource: made, read, changed and deleted, by whom it may be."""

import pytest

from accounts.models import Plan, User
from domains.models import DomainAlias
from operations.models import Block
from spool.models import Gateway
from tests.factories import make_alias


def test_an_alias_is_made_read_changed_and_deleted(world, program):
    asker = program(world.admin)
    body = {"address": "info@own.example", "targets": ["alice", "bob@elsewhere.example"]}
    made = asker.call("post", "aliases/", body)
    assert made.status_code == 201, made.json()
    assert made.json()["targets"] == ["alice", "bob@elsewhere.example"]
    changed = asker.change("aliases/info@own.example/", {"targets": ["admin"]})
    assert changed.json()["targets"] == ["admin"]
    stale = asker.call("patch", "aliases/info@own.example/", {}, **{"If-Match": made["ETag"]})
    assert stale.status_code == 412
    listed = asker.call("get", "aliases/?domain=own.example&q=inf").json()["items"]
    assert [row["address"] for row in listed] == ["info@own.example"]
    assert asker.call("delete", "aliases/info@own.example/").status_code == 204
    assert asker.call("get", "aliases/info@own.example/").status_code == 404


def test_an_alias_that_loops_or_leads_nowhere_is_refused(world, program):
    asker = program(world.admin)
    nowhere = {"address": "x@own.example", "targets": ["nobody"]}
    assert asker.call("post", "aliases/", nowhere).json()["type"].endswith("/target-unknown/")
    loop = asker.change("aliases/sales@own.example/", {"targets": ["sales"]})
    assert loop.json()["type"] == "/api/problems/alias-loops/"


def test_aliases_cost_the_same_however_many(world, program, django_assert_max_num_queries):
    for number in range(5):
        make_alias(world.own, f"a{number}", "alice")
    asker = program(world.admin)
    asker.call("get", "aliases/")
    with django_assert_max_num_queries(7):
        assert len(asker.call("get", "aliases/").json()["items"]) == 6


@pytest.mark.spec("X-006")
def test_several_aliases_are_added_each_by_itself(world, program):
    rows = [
        {"address": "a@own.example", "targets": ["alice"]},
        {"address": "b@other.example", "targets": ["alice"]},
    ]
    answer = program(world.reseller).call("post", "aliases/bulk/", {"rows": rows})
    assert [row["status"] for row in answer.json()["results"]] == [201, 422]


def test_a_domain_alias_is_added_and_removed(world, program):
    asker = program(world.reseller)
    body = {"name": "further.example", "domain": "own.example"}
    assert asker.call("post", "domain-aliases/", body).status_code == 201
    assert asker.call("get", "domain-aliases/further.example/").status_code == 200
    assert (
        program(world.other_reseller).call("delete", "domain-aliases/further.example/").status_code
        == 404
    )
    assert asker.call("delete", "domain-aliases/further.example/").status_code == 204
    assert not DomainAlias.objects.filter(name="further.example").exists()


def test_a_switched_off_feature_is_403_for_the_domain_alone(world, program):
    features = {"tabs": {"features": {"domain_aliases": False}}}
    assert program(world.reseller).change("domains/own.example/", features).status_code == 200
    body = {"name": "further.example", "domain": "own.example"}
    refused = program(world.admin).call("post", "domain-aliases/", body)
    assert refused.status_code == 403
    assert refused.json()["feature"] == "domain_aliases"
    assert program(world.reseller).call("post", "domain-aliases/", body).status_code == 201


def test_plans_and_resellers_are_the_providers(world, program):
    asker = program(world.root)
    plan = asker.call("post", "plans/", {"name": "Small", "domains": 1})
    assert plan.status_code == 201
    path = f"plans/{plan.json()['id']}/"
    assert asker.change(path, {"users": 5}).json()["users"] == 5
    new = {"username": "rita", "password": "four plain words please", "plan": "Small"}
    made = asker.call("post", "resellers/", new)
    assert made.status_code == 201 and made.json()["plan"] == "Small"
    assert asker.call("delete", path).status_code == 422
    assert asker.change("resellers/rita/", {"plan": None}).json()["plan"] is None
    assert asker.call("delete", path).status_code == 204
    assert asker.call("delete", "resellers/rob/").status_code == 409
    assert asker.call("delete", "resellers/rita/").status_code == 204
    assert not Plan.objects.exists() and not User.objects.filter(local_part="rita").exists()


def test_a_reseller_finds_his_plan_and_what_is_left_of_it(world, program):
    asker = program(world.root)
    asker.call("post", "plans/", {"name": "Small", "domains": 3, "users": 9})
    asker.change("resellers/rob/", {"plan": "Small"})
    me = program(world.reseller).call("get", "me/").json()
    assert (me["role"], me["plan"]) == ("reseller", "Small")
    assert {"limit": "domains", "used": 1, "allowed": 3} in me["ceilings"]


@pytest.mark.spec("G-005")
def test_a_gateway_is_made_changed_and_deleted_and_tells_no_password(world, program):
    asker = program(world.root)
    body = {
        "name": "smart",
        "host": "smart.example",
        "password": "secret",
        "destinations": [".example"],
        "sending_domains": ["own.example"],
    }
    made = asker.call("post", "gateways/", body)
    assert made.status_code == 201, made.json()
    assert made.json()["has_password"] and "secret" not in made.content.decode()
    path = f"gateways/{made.json()['id']}/"
    assert asker.change(path, {"port": 587, "password": ""}).json()["has_password"] is False
    assert asker.change(path, {"sending_domains": ["nowhere.example"]}).status_code == 422
    assert asker.call("delete", path).status_code == 204
    assert not Gateway.objects.exists()


def test_settings_are_read_and_changed_in_part(world, program):
    asker = program(world.root)
    assert asker.change("settings/listeners/", {"bad_commands": 3}).json()["bad_commands"] == 3
    refused = asker.change("settings/spool/", {"patience_days": 99})
    assert refused.status_code == 422
    for name in ("acme", "login", "logs", "resolver"):
        assert asker.call("get", f"settings/{name}/").status_code == 200


@pytest.mark.spec("M-056")
def test_a_block_is_made_and_lifted(world, program):
    asker = program(world.root)
    made = asker.call("post", "blocks/", {"network": "192.0.2.7", "seconds": 60})
    assert made.status_code == 201, made.json()
    assert len(asker.call("get", "blocks/?network=192.0.2").json()["items"]) == 1
    assert asker.call("delete", f"blocks/{made.json()['id']}/").status_code == 204
    assert not Block.objects.exists()
    own = asker.call("post", "blocks/", {"network": "127.0.0.1", "seconds": 60})
    assert own.status_code == 409


@pytest.mark.parametrize("name", ["blacklist", "whitelist"])
def test_lists_of_networks_are_kept(world, program, name):
    asker = program(world.root)
    made = asker.call("post", f"{name}/", {"network": "198.51.100.0/24", "services": ["smtp"]})
    assert made.status_code == 201, made.json()
    path = f"{name}/{made.json()['id']}/"
    assert asker.change(path, {"note": "noisy"}).json()["note"] == "noisy"
    assert asker.change(path, {"services": ["ftp"]}).status_code == 422
    assert asker.call("delete", path).status_code == 204
    assert asker.call("get", f"{name}/").json()["items"] == []


def test_nobody_puts_the_address_that_he_asks_from_on_the_blacklist(world, program):
    far = {"REMOTE_ADDR": "198.51.100.9", "secure": True, "format": "json"}
    asker = program(world.root)
    own = asker.post("/api/v1/blacklist/", {"network": "198.51.100.0/24"}, **far)
    assert own.status_code == 409 and own.json()["contains"] == "198.51.100.9"
    other = asker.post("/api/v1/blacklist/", {"network": "203.0.113.0/24", "note": "noisy"}, **far)
    assert other.status_code == 201 and other.json()["note"] == "noisy"


def test_abuse_rules_are_kept(world, program):
    asker = program(world.root)
    count = len(asker.call("get", "abuse-rules/").json()["items"])
    body = {
        "kind": "guessing",
        "service": "imap",
        "window_seconds": 60,
        "threshold": 3,
        "block_seconds": 60,
    }
    made = asker.call("post", "abuse-rules/", body)
    assert made.status_code == 201, made.json()
    path = f"abuse-rules/{made.json()['id']}/"
    assert asker.change(path, {"threshold": 4}).json()["threshold"] == 4
    assert asker.call("delete", path).status_code == 204
    assert len(asker.call("get", "abuse-rules/").json()["items"]) == count


def test_the_audit_is_cut_to_what_the_actor_sees_and_undoes_a_change(world, program):
    asker = program(world.reseller)
    asker.change("domains/own.example/", {"tabs": {"limits": {"users": 77}}})
    entries = asker.call("get", "audit/?q=object:own.example").json()["items"]
    assert entries[0]["changes"]["users"][1] == 77
    mine = {row["object_name"] for row in program(world.other_reseller).call(
        "get", "audit/?size=200").json()["items"]}  # fmt: skip
    assert not any("own.example" in name for name in mine)
    key = entries[0]["id"]
    foreign = program(world.other_reseller).call("post", f"audit/{key}/undo/")
    assert foreign.status_code == 404
    assert asker.call("post", f"audit/{key}/undo/").json()["undone"] == 1
    shown = asker.call("get", "domains/own.example/").json()
    assert shown["tabs"]["limits"]["users"] == 100


def test_services_stand_in_a_list(world, program):
    items = program(world.root).call("get", "services/").json()["items"]
    assert {"smtp", "imap", "pop", "spool"} <= {row["service"] for row in items}
    unknown = program(world.root).call("post", "services/ftp/", {"action": "stop"})
    assert unknown.status_code == 404


PROVIDERS = (
    "plans/", "resellers/", "gateways/", "services/", "connections/", "blocks/", "abuse-rules/",
    "blacklist/", "whitelist/", "settings/spool/", "settings/login/",
)  # fmt: skip


@pytest.mark.parametrize("path", PROVIDERS)
def test_what_is_the_providers_opens_for_nobody_else(world, program, path):
    for who in ("reseller", "admin", "user"):
        assert program(getattr(world, who)).call("get", path).status_code == 403, who
    assert program(world.root).call("get", path).status_code == 200
