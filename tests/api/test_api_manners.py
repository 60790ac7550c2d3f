"""What all endpoints share: problems, ETags, requests sent again."""

from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.models import User
from api import idempotency
from api.models import IdempotentRequest
from clock.moments import utc_now

USER = {"address": "ann@own.example"}
PATH = "users/alice@own.example/"


def test_a_change_names_what_it_saw(world, program):
    asker = program(world.admin)
    body = {"full_name": "Alice"}
    blind = asker.call("patch", PATH, body)
    assert blind.status_code == 428
    tag = asker.call("get", PATH)["ETag"]
    first = asker.call("patch", PATH, body, **{"If-Match": tag})
    assert first.status_code == 200 and first["ETag"] != tag
    late = asker.call("patch", PATH, {"full_name": "Eve"}, **{"If-Match": tag})
    assert late.status_code == 412
    assert late.json()["type"] == "/api/problems/changed-meanwhile/"
    assert User.objects.get(pk=world.user.pk).full_name == "Alice"
    assert asker.call("delete", PATH, **{"If-Match": tag}).status_code == 412
    assert asker.call("patch", PATH, body, **{"If-Match": "*"}).status_code == 200
    assert asker.call("patch", PATH, body, **{"If-Match": f'"x", {first["ETag"]}'}).status_code


def test_a_request_sent_again_gets_the_same_answer_and_does_nothing(world, program):
    asker = program(world.admin)
    once = asker.call("post", "users/", USER, **{"Idempotency-Key": "k1"})
    again = asker.call("post", "users/", USER, **{"Idempotency-Key": "k1"})
    assert (once.status_code, again.status_code) == (201, 201)
    assert once.content == again.content
    assert again["Idempotency-Replayed"] == "true" and not once.has_header("Idempotency-Replayed")
    assert asker.call("post", "users/", USER).status_code == 409


def test_a_refusal_is_given_again_too(world, program):
    asker = program(world.admin)
    bad = {"address": "alice@own.example"}
    answers = [asker.call("post", "users/", bad, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [409, 409]
    assert answers[1]["Content-Type"] == "application/problem+json"


def test_a_key_with_another_body_conflicts(world, program):
    asker = program(world.admin)
    asker.call("post", "users/", USER, **{"Idempotency-Key": "k"})
    other = {"address": "bob@own.example"}
    answer = asker.call("post", "users/", other, **{"Idempotency-Key": "k"})
    assert answer.status_code == 409
    assert answer.json()["type"] == "/api/problems/idempotency-key-reused/"
    assert not User.objects.filter(local_part="bob").exists()


def test_keys_of_two_users_have_nothing_to_do_with_each_other(world, program):
    assert program(world.admin).call("post", "users/", USER, **{"Idempotency-Key": "k"})
    answer = program(world.other_admin).call(
        "post", "users/", {"address": "bob@other.example"}, **{"Idempotency-Key": "k"}
    )
    assert answer.status_code == 201


def test_a_request_still_being_answered_is_not_begun_again(world, program):
    asker = program(world.admin)
    asker.call("post", "users/", USER, **{"Idempotency-Key": "k"})
    IdempotentRequest.objects.update(status=None)
    answer = asker.call("post", "users/", USER, **{"Idempotency-Key": "k"})
    assert answer.status_code == 409
    assert answer.json()["type"] == "/api/problems/still-being-answered/"
    IdempotentRequest.objects.update(created_at=utc_now() - timedelta(minutes=6))
    answer = asker.call("post", "users/", USER, **{"Idempotency-Key": "k"})
    assert answer.json()["type"] == "/api/problems/local-part-taken/"


def test_answers_are_kept_sealed_and_for_a_day(world, program):
    asker = program(world.admin)
    made = {"name": "phone"}
    path = f"{PATH}app-passwords/"
    answer = asker.call("post", path, made, **{"Idempotency-Key": "k"})
    row = IdempotentRequest.objects.get()
    assert answer.json()["password"].encode() not in bytes(row.body)
    assert asker.call("post", path, made, **{"Idempotency-Key": "k"}).json() == answer.json()
    assert idempotency.forget(utc_now()) == 0
    assert idempotency.forget(utc_now() + timedelta(hours=25)) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("get", "nowhere/", None, None, 404),
        ("put", "domains/", b"{}", "application/json", 405),
        ("post", "users/", b"{", "application/json", 400),
        ("post", "users/", b"[" * 5_000, "application/json", 400),
        ("post", "users/", b"a=b", "application/x-www-form-urlencoded", 415),
        ("post", "users/", b"[]", "application/json", 422),
        ("post", "users/", b'{"\\ud800": 1}', "application/json", 422),
        ("post", "users/", b'{"address": "\\u0000@own.example"}', "application/json", 422),
        ("post", "users/", b'{"address": "a@own.example", "x": 1}', "application/json", 422),
        ("post", "users/", b'"' + b"x" * 3_000_000 + b'"', "application/json", 413),
        ("get", "domains/a%00b/", None, None, 404),
        ("get", "users/%00@own.example/", None, None, 404),
        ("get", "users/?q=%00", None, None, 404),
        ("get", "domains/..%2f..%2fetc/", None, None, 404),
        ("get", "jobs/99999999999999999999/", None, None, 404),
    ],
)
def test_every_refusal_is_a_problem(world, program, method, path, body, kind, status):
    asker = program(world.root)
    options = {"content_type": kind} if kind else {}
    answer = getattr(asker, method)(f"/api/v1/{path}", body, **options)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert asker.get(answer.json()["type"]).status_code == 200


def test_a_fault_of_the_server_has_an_id_and_no_details(world, program, monkeypatch):
    def break_down(*_, **__):
        raise RuntimeError("secret path /etc/x")

    monkeypatch.setattr("api.shapes.user_shown", break_down)
    answer = program(world.root).call("get", PATH)
    assert answer.status_code == 500
    assert answer.json()["id"] and "secret" not in answer.content.decode()


def test_every_kind_of_problem_is_explained(client):
    listed = client.get(reverse("api:problems")).json()["problems"]
    assert len(listed) > 30
    assert client.get("/api/problems/none/").status_code == 404
