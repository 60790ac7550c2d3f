"""Mailboxes over REST."""

import pytest

from accounts import passwords
from accounts.models import AppPassword, Status, User
from domains.models import DomainLimits

GOOD = "four plain words please"


def test_a_reseller_adds_reads_changes_and_deletes_a_user(world, program):
    asker = program(world.reseller)
    body = {"address": "Ann@own.example", "password": GOOD, "mailbox_size_mb": 100}
    added = asker.call("post", "users/", body)
    assert added.status_code == 201, added.json()
    assert added.json()["address"] == "ann@own.example"
    assert "password" not in added.json()
    user = User.objects.get(local_part="ann")
    assert passwords.fits(user, GOOD)
    changed = asker.change("users/ann@own.example/", {"status": "disabled", "language": "en"})
    assert changed.json()["status"] == "disabled"
    assert asker.call("delete", "users/ann@own.example/").status_code == 204
    assert asker.call("get", "users/ann@own.example/").status_code == 404


@pytest.mark.spec("U-004")
def test_resellers_do_not_see_each_others_users(world, program):
    asker = program(world.other_reseller)
    shown = asker.call("get", "users/").json()["items"]
    assert {row["domain"] for row in shown} == {"other.example"}
    assert asker.call("get", "users/?domain=own.example").status_code == 404
    for method, path, body in (
        ("get", "users/alice@own.example/", None),
        ("patch", "users/alice@own.example/", {"status": "disabled"}),
        ("delete", "users/alice@own.example/", None),
        ("post", "users/alice@own.example/password/", {"password": GOOD}),
        ("get", "users/alice@own.example/app-passwords/", None),
        ("post", "users/alice@own.example/app-passwords/", {"name": "x"}),
        ("delete", "users/alice@own.example/app-passwords/1/", None),
    ):
        assert asker.call(method, path, body, **{"If-Match": "*"}).status_code == 404, path
    foreign = asker.call("post", "users/", {"address": "eve@own.example"})
    nowhere = asker.call("post", "users/", {"address": "eve@nowhere.example"})
    assert foreign.status_code == nowhere.status_code == 422
    assert foreign.json() == nowhere.json()


def test_a_user_sees_himself_alone_and_changes_nothing(world, program):
    asker = program(world.user)
    shown = asker.call("get", "users/").json()["items"]
    assert [row["address"] for row in shown] == ["alice@own.example"]
    assert asker.call("get", "users/alice@own.example/").status_code == 200
    assert asker.call("get", "users/admin@own.example/").status_code == 404
    refused = asker.change("users/alice@own.example/", {"mailbox_size_mb": 0})
    assert refused.status_code == 403
    assert asker.call("get", "domains/").json()["items"] == []


def test_limits_of_the_hour_are_not_the_domain_administrators(world, program):
    asker = program(world.admin)
    body = {"outgoing_messages_per_hour": 9}
    assert asker.change("users/alice@own.example/", body).status_code == 403
    assert program(world.reseller).change("users/alice@own.example/", body).status_code == 200


def test_a_full_domain_is_409_with_its_numbers(world, program):
    DomainLimits.objects.filter(domain=world.own).update(users=2)
    answer = program(world.admin).call("post", "users/", {"address": "ann@own.example"})
    assert answer.status_code == 409
    assert answer.json() | {"limit": "users", "allowed": 2, "used": 2} == answer.json()


def test_a_weak_password_is_refused_with_its_reasons(world, program):
    asker = program(world.admin)
    answer = asker.call("post", "users/alice@own.example/password/", {"password": "abc"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/api/problems/password-refused/"
    assert answer.json()["reasons"]


def test_the_last_administrator_stays(world, program):
    answer = program(world.reseller).call("delete", "users/admin@own.example/")
    assert answer.status_code == 409
    assert answer.json()["address"] == "admin@own.example"


def test_a_user_becomes_administrator_and_back(world, program):
    asker = program(world.admin)
    path = "users/alice@own.example/"
    assert asker.change(path, {"is_administrator": True}).json()["role"] == "domain"
    assert asker.change(path, {"is_administrator": False}).json()["role"] == "user"


@pytest.mark.spec("X-006")
def test_several_users_are_added_each_by_itself(world, program):
    rows = [{"address": "a@own.example"}, {"address": "alice@own.example"}, {"address": "b@x.y"}]
    answer = program(world.admin).call("post", "users/bulk/", {"rows": rows})
    assert answer.status_code == 207
    assert [row["status"] for row in answer.json()["results"]] == [201, 409, 422]
    assert answer.json()["results"][1]["problem"]["type"] == "/api/problems/local-part-taken/"
    assert User.objects.filter(local_part="a").exists()


@pytest.mark.spec("X-006")
def test_several_users_are_disabled_each_by_itself(world, program):
    addresses = ["alice@own.example", "alice@other.example", "admin@own.example"]
    body = {"action": "disable", "addresses": addresses}
    answer = program(world.reseller).call("post", "users/actions/", body)
    assert [row["status"] for row in answer.json()["results"]] == [200, 404, 409]
    disabled = User.objects.filter(status=Status.DISABLED)
    assert [str(user) for user in disabled] == ["alice@own.example"]


def test_an_app_password_is_told_once_and_removed(world, program):
    asker = program(world.admin)
    path = "users/alice@own.example/app-passwords/"
    made = asker.call("post", path, {"name": "phone", "scopes": ["imap"]})
    assert made.status_code == 201 and made.json()["password"]
    listed = asker.call("get", path).json()["items"]
    assert [row["name"] for row in listed] == ["phone"] and "password" not in listed[0]
    assert asker.call("post", path, {"name": "x", "scopes": ["ftp"]}).status_code == 422
    assert asker.call("delete", f"{path}{made.json()['id']}/").status_code == 204
    assert not AppPassword.objects.exists()


def test_users_are_filtered(world, program):
    asker = program(world.root)

    def addresses(query):
        return [row["address"] for row in asker.call("get", f"users/?{query}").json()["items"]]

    assert addresses("domain=own.example&q=ali") == ["alice@own.example"]
    assert addresses("domain=alias.example&is_administrator=true") == ["admin@own.example"]
    assert addresses("status=disabled") == []
