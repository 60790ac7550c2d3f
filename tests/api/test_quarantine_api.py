"""The quarantine over REST: put there, listed, released and deleted by those whose mail it is."""

from datetime import datetime, timedelta

import pytest

from blobs.ids import encode_id
from clock.moments import utc_now
from spool import quarantine, summaries
from spool.models import HoldRule, SpooledMessage, SpooledRecipient, State
from tests.api.test_spool_api import make_message

pytestmark = pytest.mark.spec("S-060", lacks="a spam filter of its own")
ACTIONS = "spool/actions/"


@pytest.fixture
def message(world):
    return make_message(world.own)


def put_in(asker, message):
    body = {"action": "quarantine", "ids": [encode_id(message.pk)], "reason": "looks like spam"}
    return asker.call("post", ACTIONS, body).json()


def listed(asker, query="?status=quarantine"):
    return asker.call("get", f"spool/{query}").json()["items"]


def test_it_is_put_in_listed_released_and_put_back(world, program, message):
    waiting = make_message(world.own, to="y@far.example")
    asker, now = program(world.reseller), utc_now()
    assert listed(asker) == []
    done = put_in(asker, message)
    assert done["done"] == 1, done
    (shown,) = listed(asker)
    assert shown["id"] == encode_id(message.pk)
    assert shown["status"] == "Held (quarantine: looks like spam)"
    removed_at = datetime.fromisoformat(shown["removed_at"])
    assert timedelta(0) <= removed_at - now - timedelta(days=30) < timedelta(minutes=1)
    (recipient,) = asker.call("get", f"spool/{shown['id']}/").json()["recipients"]
    assert datetime.fromisoformat(recipient["removed_at"]) == removed_at
    everything = {one["id"]: one["removed_at"] for one in listed(asker, "")}
    assert everything == {shown["id"]: shown["removed_at"], encode_id(waiting.pk): None}
    assert listed(asker, "?status=held") == []
    released = asker.call(
        "post", ACTIONS, {"action": "release", "filter": {"status": "quarantine"}}
    ).json()
    assert released["done"] == 1
    assert not SpooledRecipient.objects.exclude(state=State.QUEUED).exists()
    undo = f"spool/changes/{released['change_id']}/undo/"
    assert asker.call("post", undo).json()["done"] == 1
    assert len(listed(asker)) == 1
    deleted = asker.call("post", ACTIONS, {"action": "delete", "filter": {"status": "quarantine"}})
    assert deleted.json()["done"] == 1
    assert SpooledRecipient.objects.filter(state=State.DELETING).count() == 1


def test_others_neither_see_it_nor_touch_it(world, program, message):
    put_in(program(world.root), message)
    stranger = program(world.other_reseller)
    assert listed(stranger) == []
    assert stranger.call("get", f"spool/{encode_id(message.pk)}/").status_code == 404
    ids = [encode_id(message.pk)]
    for action in ("release", "delete", "quarantine"):
        body = {"action": action, "ids": ids, "reason": "mine"}
        assert stranger.call("post", ACTIONS, body).json()["done"] == 0
    filtered = {"action": "release", "filter": {"status": "quarantine"}}
    assert stranger.call("post", ACTIONS, filtered).json()["done"] == 0
    assert SpooledRecipient.objects.get().is_quarantined
    assert program(world.user).call("get", "spool/?status=quarantine").json()["items"] == []


def test_a_release_of_all_does_not_mean_it(world, program, message):
    asker = program(world.root)
    put_in(asker, message)
    done = asker.call("post", ACTIONS, {"action": "release", "all": True}).json()
    assert (done["done"], done["reasons"]) == (0, {"in quarantine": 1})


def test_the_state_tells_of_the_removal(world, program, message):
    asker = program(world.reseller)
    put_in(asker, message)
    assert quarantine.remove_due(now=utc_now() + timedelta(days=31)) == 1
    shown = asker.call("get", f"spool/{encode_id(message.pk)}/").json()
    assert shown["finished_at"] is not None
    (recipient,) = shown["recipients"]
    assert (recipient["status"], recipient["removed_at"]) == ("Removed from quarantine", None)
    story = asker.call("get", f"trace/{encode_id(message.pk)}/").json()["story"]
    assert "It was removed from quarantine on" in story


def test_a_hold_rule_that_quarantines(world, program, message):
    summaries.list_all(now=utc_now())
    asker = program(world.root)
    body = {"destination": "far.example", "reason": "spam run", "quarantines": True}
    made = asker.call("post", "hold-rules/", body)
    assert made.status_code == 201 and made.json()["held"] == 1, made.json()
    assert made.json()["quarantines"] is True
    assert SpooledMessage.objects.get().quarantined_until is not None
    assert asker.call("delete", f"hold-rules/{made.json()['id']}/").status_code == 204
    assert not HoldRule.objects.exists()
    assert SpooledRecipient.objects.get().is_quarantined
    assert program(world.reseller).call("post", "hold-rules/", body).status_code == 403


def test_the_settings(world, program):
    asker = program(world.root)
    changed = asker.change("settings/spool/", {"quarantine_days": 7, "quarantines_spam": True})
    assert (changed.json()["quarantine_days"], changed.json()["quarantines_spam"]) == (7, True)
    for days in (0, 31):
        answer = asker.change("settings/spool/", {"quarantine_days": days})
        assert answer.status_code == 422, days
