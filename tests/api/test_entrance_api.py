"""How people come in, over REST: the log-in provider, and who is logged in as another."""

import pytest

from accounts import impersonation, loginprovider
from accounts.models import Impersonation, LoginProvider
from clock.moments import utc_now
from events.models import AuditEntry

PATH = "settings/login-provider/"
HOUSE = {
    "is_enabled": True,
    "name": "Example House",
    "issuer": "https://login.example.net",
    "client_id": "mailhost",
}


def test_the_log_in_provider_is_set_and_its_secret_is_never_told(world, program):
    asker = program(world.root)
    assert asker.call("get", PATH).json()["is_enabled"] is False
    changed = asker.change(PATH, HOUSE | {"client_secret": "very secret"})
    assert changed.status_code == 200, changed.json()
    assert "very secret" not in changed.content.decode()
    assert changed.json()["has_secret"] is True
    assert changed.json()["redirect_address"].endswith("/panel/login/provider/return/")
    row = LoginProvider.objects.get()
    assert (row.issuer, loginprovider.secret_of(row)) == (HOUSE["issuer"], "very secret")
    asker.change(PATH, {"name": "Another"})
    assert loginprovider.secret_of(LoginProvider.objects.get()) == "very secret"
    assert asker.change(PATH, {"client_secret": ""}).json()["has_secret"] is False


def test_a_log_in_provider_that_would_not_work_is_refused(world, program):
    asker = program(world.root)
    for wrong in ({"issuer": "http://login.example.net"}, {"client_id": ""}, {"colour": "red"}):
        answer = asker.change(PATH, HOUSE | wrong)
        assert answer.status_code == 422
        assert [one["field"] for one in answer.json()["errors"]] == list(wrong)
    assert asker.call("patch", PATH, HOUSE).status_code == 428
    assert asker.call("patch", PATH, HOUSE, **{"If-Match": '"other"'}).status_code == 412
    assert loginprovider.offered() is None


def test_a_change_of_the_log_in_provider_is_taken_back(world, program):
    asker = program(world.root)
    asker.change(PATH, HOUSE)
    asker.change(PATH, {"name": "Another"})
    entry = AuditEntry.objects.filter(verb="changed login provider").latest("pk")
    assert asker.call("post", f"audit/{entry.pk}/undo/", {}).status_code == 200
    assert LoginProvider.objects.get().name == "Example House"


def begin(by, subject) -> Impersonation:
    row, token = impersonation.start(
        actor=by, subject=subject, reason="ticket 4711", client_address="192.0.2.9", now=utc_now()
    )
    return impersonation.enter(slot=row.slot, token=token, actor=by, now=utc_now())[0]


@pytest.mark.spec("U-060")
def test_who_is_logged_in_as_another_is_seen_by_those_concerned_and_ended_by_himself(
    world, program
):
    row = begin(world.reseller, world.user)
    path = f"connections/impersonations/{row.pk}/"
    found = {
        who: program(getattr(world, who)).call("get", "connections/impersonations/").json()["items"]
        for who in ("root", "reseller", "admin", "other_reseller", "other_admin")
    }
    assert {who: [one["may_end"] for one in items] for who, items in found.items()} == {
        "root": [True], "reseller": [True], "admin": [False],
        "other_reseller": [], "other_admin": [],
    }  # fmt: skip
    shown = found["admin"][0]
    assert (shown["subject"], shown["by"]) == ("alice@own.example", "rob")
    assert shown["reason"] == "ticket 4711" and "192.0.2.9" not in str(shown)
    assert program(world.other_reseller).call("delete", path).status_code == 404
    assert program(world.admin).call("delete", path).status_code == 403
    assert program(world.reseller).call("delete", path).status_code == 204
    row.refresh_from_db()
    assert row.ended_at is not None
    assert program(world.root).call("delete", path).status_code == 404
