"""Accounts on other servers, over REST: added, changed, fetched from, tested, and by whom."""

import pytest

from clock.moments import utc_now
from domains.models import DomainFeatures, DomainLimits
from retrieval.models import RetrievalAccount
from retrieval.trying import MOST_TRIES

NEW = {
    "kind": "imap", "host": "imap.elsewhere.example", "username": "ann@elsewhere.example",
    "password": "geheim-1",
}  # fmt: skip
FOR_ALICE = NEW | {"user": "alice@own.example"}


@pytest.mark.spec("N-061", lacks="filters of fetched mail")
def test_an_account_is_added_changed_fetched_from_and_removed(world, program):
    asker = program(world.admin)
    made = asker.call("post", "retrieval-accounts/", FOR_ALICE | {"all_folders": True})
    assert made.status_code == 201, made.json()
    path = f"retrieval-accounts/{made.json()['id']}/"
    row = RetrievalAccount.objects.get()
    assert (row.user, row.port, row.all_folders) == (world.user, 993, True)
    assert made.json()["has_password"] and "geheim-1" not in str(made.json())
    tag = made["ETag"]
    RetrievalAccount.objects.update(
        last_count=3, last_run_at=utc_now()
    )  # a visit is no change of its settings
    assert asker.call("get", path)["ETag"] == tag
    changed = asker.change(path, {"interval_minutes": 30})
    assert changed.status_code == 200 and changed.json()["interval_minutes"] == 30
    assert asker.call("patch", path, {"interval_minutes": 9}).status_code == 428
    moved = asker.change(path, {"host": "thief.example"})
    assert moved.status_code == 422 and moved.json()["errors"][0]["field"] == "password"
    moved = asker.change(path, {"host": "new.example", "password": "geheim-2"})
    assert moved.status_code == 200
    assert asker.call("post", f"{path}fetch/").status_code == 202
    asker.change(path, {"is_enabled": False})
    refused = asker.call("post", f"{path}fetch/")
    assert refused.status_code == 409 and refused.json()["type"].endswith("/not-fetchable/")
    listed = asker.call("get", "retrieval-accounts/?user=alice@own.example").json()["items"]
    assert [one["id"] for one in listed] == [row.pk]
    assert asker.call("get", "retrieval-accounts/?user=admin@own.example").json()["items"] == []
    assert asker.call("delete", path).status_code == 204
    assert not RetrievalAccount.objects.exists()


def test_who_names_nobody_gets_an_account_of_his_own(world, program):
    made = program(world.user).call("post", "retrieval-accounts/", NEW | {"kind": "pop3"})
    assert (made.status_code, made.json()["user"]) == (201, "alice@own.example")
    assert made.json()["port"] == 995


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "alice@other.example"}, "user"),
        ({"user": "nobody@own.example"}, "user"),
        ({"host": "no host"}, "host"),
        ({"kind": "pop3", "all_folders": True}, "all_folders"),
        ({"interval_minutes": 0}, "interval_minutes"),
        ({"interval_minutes": 1441}, "interval_minutes"),
        ({"password": "a\r\nQUIT"}, "password"),
        ({"target_folder": "a\x00b"}, "target_folder"),
        ({"last_error": "x"}, "last_error"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_be_is_told_by_field(world, program, body, field):
    answer = program(world.admin).call("post", "retrieval-accounts/", FOR_ALICE | body)
    assert answer.status_code == 422, answer.json()
    assert answer.json()["errors"][0]["field"] == field
    assert not RetrievalAccount.objects.exists()


def test_nobody_else_reaches_it_and_a_token_needs_the_scope(world, program):
    made = program(world.user).call("post", "retrieval-accounts/", NEW)
    path = f"retrieval-accounts/{made.json()['id']}/"
    for stranger in (world.other_admin, world.other_reseller):
        asker = program(stranger)
        assert asker.call("get", path).status_code == 404
        assert asker.call("delete", path).status_code == 404
        assert asker.call("post", f"{path}test/").status_code == 404
        assert asker.call("get", "retrieval-accounts/").json()["items"] == []
    reader = program(world.user, "retrieval:read")
    assert reader.call("get", path).status_code == 200
    assert reader.call("post", f"{path}fetch/").json()["type"].endswith("/scope-missing/")
    assert program(world.user, "users:write").call("get", path).status_code == 403


@pytest.mark.spec("D-072", "D-073", "D-088", "D-089")
def test_switches_and_limits_of_the_domain_hold_here_too(world, program):
    DomainLimits.objects.filter(domain=world.own).update(imap_retrieval_accounts=1)
    asker = program(world.user)
    assert asker.call("post", "retrieval-accounts/", NEW).status_code == 201
    refused = asker.call("post", "retrieval-accounts/", NEW)
    assert refused.status_code == 409 and refused.json()["type"].endswith("/limit-reached/")
    DomainFeatures.objects.filter(domain=world.own).update(pop_retrieval=False)
    refused = asker.call("post", "retrieval-accounts/", NEW | {"kind": "pop3"})
    assert refused.status_code == 403 and refused.json()["type"].endswith("/feature-off/")


def test_a_test_says_in_words_what_it_found(world, program):
    asker = program(world.user)
    made = asker.call("post", "retrieval-accounts/", NEW | {"host": "10.1.2.3"})
    found = asker.call("post", f"retrieval-accounts/{made.json()['id']}/test/").json()
    assert not found["is_ok"] and "private address" in found["text"]


def test_nobody_looks_through_other_networks_by_many_tests(world, program):
    asker = program(world.user)
    made = asker.call("post", "retrieval-accounts/", NEW | {"host": "10.1.2.3"})
    url = f"retrieval-accounts/{made.json()['id']}/test/"
    assert {asker.call("post", url).status_code for _ in range(MOST_TRIES)} == {200}
    refused = asker.call("post", url)
    assert refused.status_code == 429 and refused.json()["type"].endswith("/tried-too-often/")
    assert 0 < int(refused["Retry-After"]) <= 601
    # Others are not counted with that one.
    assert program(world.admin).call("post", url).status_code == 200
