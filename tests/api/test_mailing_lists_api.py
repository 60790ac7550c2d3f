"""Mailing lists over REST: made, changed, run; who is on them; what waits; and by whom."""

import pytest

from blobs import committer
from blobs.ids import encode_id
from domains.models import DomainFeatures, DomainLimits
from mailinglists import services
from mailinglists.models import HeldPost, MailingList, Post, Subscriber
from tests.mailinglists.test_moderator_mail import hold

NEW = {
    "address": "news@own.example", "description": "All that is new", "moderators": ["alice"],
    "may_never_post": ["@rude.example"], "post_password": "sesame", "subject_prefix": "[news]",
}  # fmt: skip
PATH = "mailing-lists/news@own.example/"
SUBSCRIBERS = f"{PATH}subscribers/"
TWO = {
    "subscribers": [
        {"address": "Ann@Far.example", "name": "Ann"},
        {"address": "bob@far.example", "mode": "digest"}, {"address": "nobody"},
    ],
    "have_agreed": True,
}  # fmt: skip


@pytest.mark.spec("L-001", "L-002")
def test_a_list_is_made_changed_and_deleted(world, program):
    asker = program(world.admin)
    made = asker.call("post", "mailing-lists/", NEW)
    assert made.status_code == 201, made.json()
    assert made["Location"].endswith(PATH)
    shown = made.json()
    assert shown["moderators"] == ["alice"] and shown["may_never_post"] == ["@rude.example"]
    assert shown["has_post_password"] and "sesame" not in str(shown)
    changed = asker.change(PATH, {"posting": "anyone", "may_always_post": ["ann@far.example"]})
    assert changed.status_code == 200, changed.json()
    row = MailingList.objects.get()
    assert row.posting == "anyone" and row.post_password
    assert services.rules_of(row) == ["allow ann@far.example", "ban @rude.example"]
    assert asker.change(PATH, {"post_password": ""}).json()["has_post_password"] is False
    assert asker.call("patch", PATH, {"posting": "anyone"}).status_code == 428
    listed = asker.call("get", "mailing-lists/?domain=own.example&q=ew").json()["items"]
    assert [one["address"] for one in listed] == ["news@own.example"]
    assert asker.call("get", "mailing-lists/?q=other").json()["items"] == []
    assert asker.call("delete", PATH).status_code == 204
    assert not MailingList.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"address": "news@other.example"}, 422, "address"),
        ({"address": "alice@own.example"}, 409, "local-part-taken"),
        ({"address": "a b@own.example"}, 422, "local-part-malformed"),
        ({"moderators": ["nobody"]}, 422, "moderator-unknown"),
        ({"may_never_post": ["x"]}, 422, "pattern-malformed"),
        ({"posting": "nobody"}, 422, "posting"),
        ({"bounce_limit": 0}, 422, "bounce_limit"),
        ({"digested_up_to": 5}, 422, "digested_up_to"),
        ({"footer_text": "\x00"}, 422, "footer_text"),
    ],
)
def test_what_cannot_be_is_told(world, program, body, status, told):
    answer = program(world.admin).call("post", "mailing-lists/", NEW | body)
    assert answer.status_code == status, answer.json()
    problem = answer.json()
    assert told in (problem["type"].split("/")[-2], problem.get("errors", [{}])[0].get("field"))
    assert not MailingList.objects.exists()


@pytest.mark.spec("L-011", "U-005")
def test_a_moderator_runs_his_list_within_bounds(world, program):
    program(world.admin).call("post", "mailing-lists/", NEW)
    asker = program(world.user)
    assert asker.change(PATH, {"footer_text": "Bye", "is_moderated": True}).status_code == 200
    for body in ({"posting": "anyone"}, {"moderators": []}, {"throttle_enabled": True}):
        assert asker.change(PATH, body).status_code == 403, body
    assert asker.call("post", SUBSCRIBERS, TWO).status_code == 200
    assert asker.call("delete", PATH).status_code == 403
    for stranger in (world.other_admin, world.other_reseller):
        for path in (PATH, SUBSCRIBERS, f"{SUBSCRIBERS}ann@far.example/", f"{PATH}posts/"):
            assert program(stranger).call("get", path).status_code == 404
    reader = program(world.user, "mailing-lists:read")
    assert reader.call("get", SUBSCRIBERS).status_code == 200
    refused = reader.call("post", SUBSCRIBERS, TWO)
    assert refused.json()["type"].endswith("/scope-missing/")


@pytest.mark.spec("L-012")
def test_subscribers_are_added_found_changed_and_removed(world, program, mailoutbox):
    asker = program(world.admin)
    asker.call("post", "mailing-lists/", NEW)
    added = asker.call("post", SUBSCRIBERS, TWO).json()
    assert added == {"added": 2, "known": 0, "malformed": ["nobody"]}
    assert asker.call("post", SUBSCRIBERS, TWO).json()["known"] == 2
    first = asker.call("get", f"{SUBSCRIBERS}?size=1").json()
    assert [one["name"] for one in first["items"]] == ["Ann"]
    then = asker.get(first["next"]).json()
    assert [one["address"] for one in then["items"]] == ["bob@far.example"]
    digests = asker.call("get", f"{SUBSCRIBERS}?mode=digest&q=BOB").json()["items"]
    assert [one["address"] for one in digests] == ["bob@far.example"]
    one = f"{SUBSCRIBERS}ann@far.example/"
    changed = asker.change(one, {"state": "suspended", "mode": "digest"})
    assert (changed.json()["state"], changed.json()["suspended_for"]) == ("suspended", "request")
    assert asker.change(one, {"state": "active"}).json()["state"] == "active"
    assert asker.change(one, {"state": "unconfirmed"}).status_code == 422
    file = b"".join(asker.call("get", f"{SUBSCRIBERS}export/"))
    assert b"bob@far.example,,digest,active" in file
    assert asker.call("delete", one).status_code == 204
    assert asker.call("get", one).status_code == 404
    asked = {"subscribers": [{"address": "eve@far.example"}]}
    assert asker.call("post", SUBSCRIBERS, asked).json()["added"] == 1
    assert Subscriber.objects.get(key="eve@far.example").state == "unconfirmed"
    assert [message.to for message in mailoutbox] == [["eve@far.example"]]


@pytest.mark.spec("D-070", "D-087")
def test_switches_and_limits_of_the_domain_hold_here_too(world, program):
    DomainLimits.objects.filter(domain=world.own).update(mailing_lists=1)
    asker = program(world.admin)
    assert asker.call("post", "mailing-lists/", NEW).status_code == 201
    refused = asker.call("post", "mailing-lists/", NEW | {"address": "more@own.example"})
    assert refused.status_code == 409 and refused.json()["type"].endswith("/limit-reached/")
    usage = {one["limit"]: one for one in asker.call("get", "domains/own.example/").json()["usage"]}
    assert usage["mailing_lists"] == {"limit": "mailing_lists", "used": 1, "allowed": 1}
    DomainFeatures.objects.filter(domain=world.own).update(mailing_lists=False)
    for who in (world.admin, world.user):
        refused = program(who).call("get", PATH)
        assert refused.status_code == 403 and refused.json()["type"].endswith("/feature-off/")


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("L-005")
def test_posts_that_wait_are_read_let_out_and_refused(transactional_db, world, program, mailoutbox):
    asker = program(world.admin)
    asker.call("post", "mailing-lists/", NEW)
    row = MailingList.objects.get()
    try:
        good, bad = (hold(row, subject, text="<b>Hi</b>") for subject in ("Good", "Bad"))
        listed = asker.call("get", f"{PATH}posts/").json()["items"]
        assert [one["subject"] for one in listed] == ["Good", "Bad"]
        one = f"{PATH}posts/{encode_id(good.pk)}/"
        assert "<b>Hi</b>" in asker.call("get", one).json()["text"]
        assert asker.call("post", f"{one}approve/").status_code == 204
        assert Post.objects.get().subject.endswith("Good")
        assert asker.call("post", f"{one}approve/").status_code == 404
        other = f"{PATH}posts/{encode_id(bad.pk)}/"
        refused = asker.call("post", f"{other}refuse/", {"text": "Not here."})
        assert refused.status_code == 204 and not HeldPost.objects.exists()
        assert "Not here." in mailoutbox[0].body
    finally:
        committer.stop_process_committer()
