"""The archive and one's own profile over REST."""

import pytest

from archive import tasks
from events.models import AuditEntry
from jobs.models import Job, State
from jobs.progress import Progress
from tests.archiving import small_engine


@pytest.fixture
def archive():
    with small_engine() as engine:
        yield engine


@pytest.mark.spec("A-010", lacks="an archive (the engine is the tests' own)")
def test_without_an_engine_nothing_is_found(world, program):
    shown = program(world.root).call("get", "archive/").json()
    assert shown == {"items": [], "next": None, "is_set_up": False}
    assert program(world.admin).call("get", "archive/").status_code == 403


@pytest.mark.spec("A-010", "A-014", lacks="an archive (the engine is the tests' own)")
def test_the_archive_is_searched_within_sight_and_each_look_is_on_record(world, program, archive):
    mine = archive.add(world.own, "Own news")
    foreign = archive.add(world.other, "Other news")
    root, admin = program(world.root), program(world.admin)
    assert len(root.call("get", "archive/?subject=news").json()["items"]) == 2
    first = root.call("get", "archive/?size=1").json()
    rest = root.call("get", f"archive/?size=1&after={first['next']}").json()
    assert [one["key"] for one in first["items"] + rest["items"]] == [foreign, mine]
    assert admin.call("get", "archive/").status_code == 403
    archive.open_for.add(world.own.pk)
    assert [one["key"] for one in admin.call("get", "archive/").json()["items"]] == [mine]
    assert admin.call("get", f"archive/{mine}/").json()["text"].strip() == "Some text."
    for way in ("", "download/"):
        assert admin.call("get", f"archive/{foreign}/{way}").status_code == 404
    body = b"".join(admin.call("get", f"archive/{mine}/download/").streaming_content)
    assert body.startswith(b"From: writer@elsewhere.example")
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"searched the archive", "viewed an archived message"} <= verbs


@pytest.mark.spec("A-017", lacks="an archive (the engine is the tests' own)")
def test_an_export_is_made_by_a_job_for_who_asked_alone(
    world, program, archive, settings, tmp_path
):
    settings.MAILHOST_DATA = tmp_path
    key = archive.add(world.own)
    asker = program(world.root)
    assert asker.call("post", "archive/exports/", {"format": "zip"}).status_code == 422
    wrong = {"format": "zip", "keys": ["nothing"]}
    assert asker.call("post", "archive/exports/", wrong).status_code == 404
    begun = asker.call("post", "archive/exports/", {"format": "mbox", "keys": [key]})
    assert begun.status_code == 202, begun.json()
    job = Job.objects.get()
    path = f"archive/exports/{job.pk}/"
    assert asker.call("get", path).status_code == 404
    tasks.export(Progress(job_id=job.pk, actor_id=job.actor_id), **job.arguments)
    Job.objects.update(state=State.DONE)
    file = asker.call("get", path)
    assert b"".join(file.streaming_content).startswith(b"From writer@elsewhere.example")
    archive.open_for.add(world.own.pk)
    assert program(world.admin).call("get", path).status_code == 404


@pytest.mark.spec("U-012")
@pytest.mark.spec("U-036", lacks="the ARC seal, and spam levels (D-051)")
def test_everybody_changes_his_own_profile_and_forwards(world, program):
    asker = program(world.user)
    body = {"full_name": "Alice A.", "forward_to": ["friend@far.example"], "keep_forwarded": True}
    assert asker.call("patch", "me/profile/", body).status_code == 428
    changed = asker.change("me/profile/", body)
    assert changed.status_code == 200 and changed.json()["forward_to"] == ["friend@far.example"]
    assert asker.change("me/profile/", {"status": "disabled"}).status_code == 422
    assert asker.change("me/profile/", {"forward_to": ["a@b@c"]}).status_code == 422
    forwards = program(world.reseller).change("me/profile/", {"forward_to": ["a@far.example"]})
    assert forwards.status_code == 422
    named = program(world.reseller).change("me/profile/", {"full_name": "Rob"})
    assert named.json()["full_name"] == "Rob"


@pytest.mark.spec("U-017", lacks="the Global Address List in webmail")
@pytest.mark.spec("D-057", lacks="the Global Address List in webmail")
def test_who_may_choose_leaves_the_address_list_himself(world, program):
    asker, wish = program(world.user), {"opts_out_of_address_list": True}
    assert asker.call("get", "me/profile/").json()["may_opt_out"] is False
    refused = asker.change("me/profile/", wish)
    assert (refused.status_code, refused.json()["type"]) == (403, "/api/problems/feature-off/")
    tabs = {"tabs": {"technical": {"allow_ldap_opt_out": True}}}
    assert program(world.root).change("domains/own.example/", tabs).status_code == 200
    changed = asker.change("me/profile/", wish)
    assert changed.json()["opts_out_of_address_list"] and changed.json()["may_opt_out"]
