"""Who gets in: tokens, their scopes, ends and limits."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from accounts import services
from accounts.settings import LOGIN
from api import scopes, tokens
from api.models import ApiToken
from clock.moments import utc_now
from domains.errors import ValuesRefused
from events.models import AuditEntry
from tests.api.conftest import Program, key_for


def test_without_a_token_nothing_opens(world):
    answer = APIClient().get("/api/v1/domains/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/api/problems/not-authenticated/"


@pytest.mark.parametrize("key", ["mh_wrong", "", "x" * 10_000, "mh_\u00e9", "mh_a b"])
def test_a_wrong_key_opens_nothing(world, key):
    answer = APIClient().get("/api/v1/me/", HTTP_AUTHORIZATION=f"Bearer {key}")
    assert answer.status_code == 401


def test_the_key_itself_is_not_kept(world):
    key = key_for(world.reseller)
    assert key.startswith("mh_")
    row = ApiToken.objects.get()
    assert key not in str(vars(row)) and row.digest == tokens.digest(key)


def test_a_revoked_token_opens_nothing(world, program):
    asker = program(world.reseller)
    number = asker.call("get", "tokens/").json()["items"][0]["id"]
    assert asker.call("delete", f"tokens/{number}/").status_code == 204
    assert asker.call("get", "me/").status_code == 401


def test_an_expired_token_opens_nothing(world, program):
    asker = program(world.reseller, expires_at=utc_now() + timedelta(hours=1))
    assert asker.call("get", "me/").status_code == 200
    ApiToken.objects.update(expires_at=utc_now())
    assert asker.call("get", "me/").status_code == 401


def test_a_disabled_user_has_no_tokens_that_open(world, program):
    asker = program(world.reseller)
    services.change_user(user=world.reseller, values={"status": "disabled"}, by=None)
    assert asker.call("get", "me/").status_code == 401


def test_people_of_a_disabled_domain_have_no_tokens_that_open(world, program):
    asker = program(world.admin)
    program(world.root).change("domains/own.example/", {"is_disabled": True})
    assert asker.call("get", "me/").status_code == 401


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        (["domains:read"], (200, 403, 403)),
        (["domains:write"], (200, 200, 403)),
        (["*:read"], (200, 403, 200)),
        (["users:write"], (403, 403, 200)),
        (["*"], (200, 200, 200)),
    ],
)
def test_scopes_bound_what_a_token_opens(world, program, granted, expected):
    asker = program(world.reseller, *granted)
    statuses = (
        asker.call("get", "domains/own.example/").status_code,
        asker.call("patch", "domains/own.example/", {}, **{"If-Match": "*"}).status_code,
        asker.call("get", "users/").status_code,
    )
    assert statuses == expected


def test_a_missing_scope_is_named(world, program):
    answer = program(world.reseller, "users:read").call("get", "domains/")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "the token lacks the scope domains:read"


def test_a_token_makes_no_wider_and_no_longer_token(world, program):
    ends = utc_now() + timedelta(days=1)
    asker = program(world.reseller, "tokens:write", "domains:read", expires_at=ends)
    wider = asker.call("post", "tokens/", {"name": "wider", "scopes": ["domains:write"]})
    assert wider.status_code == 422
    longer = {"name": "longer", "scopes": ["domains:read"], "expires_at": None}
    assert asker.call("post", "tokens/", longer).status_code == 422
    made = asker.call("post", "tokens/", {"name": "same", "scopes": ["domains:read"]})
    assert made.status_code == 201, made.json()
    assert Program(made.json()["key"]).call("get", "domains/").status_code == 200
    assert "key" not in asker.call("get", f"tokens/{made.json()['id']}/").json()


def test_tokens_of_others_are_out_of_sight(world, program):
    key_for(world.reseller)
    other = ApiToken.objects.get()
    asker = program(world.root)
    assert asker.call("get", f"tokens/{other.pk}/").status_code == 404
    assert asker.call("delete", f"tokens/{other.pk}/").status_code == 404


@pytest.mark.parametrize("granted", scopes.SCOPES)
def test_every_scope_lies_within_itself_and_within_all(granted):
    assert scopes.within([granted], [granted]) and scopes.within([granted], ["*"])
    assert not scopes.within(["*"], [granted]) or granted == "*"


def test_too_many_requests_wait(world, program):
    asker = program(world.reseller, requests_per_minute=2)
    assert [asker.call("get", "me/").status_code for _ in range(3)] == [200, 200, 429]
    late = asker.call("get", "me/")
    assert 1 <= int(late["Retry-After"]) <= 61
    assert late.json()["type"] == "/api/problems/too-many-requests/"


def test_guesses_from_one_address_wait(world, program):
    stranger = Program("mh_wrong")
    for _ in range(60):
        assert stranger.call("get", "me/").status_code == 401
    assert stranger.call("get", "me/").status_code == 429


def test_a_token_does_not_travel_in_the_clear(world, program):
    asker = program(world.reseller)
    far = {"REMOTE_ADDR": "192.0.2.1"}
    answer = asker.get("/api/v1/me/", **far)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/api/problems/encryption-needed/"
    assert asker.get("/api/v1/me/", secure=True, **far).status_code == 200
    LOGIN.change({"clear_text_login": "allow"}, by=None)
    LOGIN.forget()
    assert asker.get("/api/v1/me/", **far).status_code == 200


@pytest.mark.spec("X-005")
def test_the_audit_tells_who_and_from_where(world, program):
    program(world.reseller).change("domains/own.example/", {"is_disabled": True})
    entry = AuditEntry.objects.filter(object_type="domains.domain").first()
    assert (entry.actor, entry.client_address) == ("rob", "127.0.0.1")


def test_the_command_issues_lists_and_revokes(world, capsys):
    call_command("token", "create", "rob", "billing", "--scopes", "domains:read", "--days", "2")
    key = capsys.readouterr().out.rpartition("key (shown this once): ")[2].strip()
    assert Program(key).call("get", "me/").json()["scopes"] == ["domains:read"]
    call_command("token", "list", "rob")
    assert "billing [domains:read]" in capsys.readouterr().out
    call_command("token", "revoke", str(ApiToken.objects.get().pk))
    assert Program(key).call("get", "me/").status_code == 401


@pytest.mark.parametrize(
    "values", [{"scopes": []}, {"scopes": ["domains"]}, {"requests_per_minute": 0}, {"name": ""}]
)
def test_a_token_that_makes_no_sense_is_refused(world, values):
    given = {"name": "x", "scopes": ["*"]} | values
    with pytest.raises(ValuesRefused):
        tokens.issue(user=world.root, by=None, now=utc_now(), **given)
