"""manage.py list: the same rules and record as everywhere."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from events.models import AuditEntry
from mailinglists import services
from mailinglists.models import MailingList, Subscriber
from tests.factories import make_domain

pytestmark = pytest.mark.django_db

NEWS = "news@one.example"


@pytest.fixture(autouse=True)
def _domain() -> None:
    make_domain("one.example", "alice")


def run(*words: str) -> Any:
    out = io.StringIO()
    call_command("list", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def refused(*words: str) -> str:
    with pytest.raises(CommandError) as error:
        run(*words)
    return str(error.value)


@pytest.mark.spec("L-001", "L-002")
def test_a_list_from_its_making_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("sesame\n"))
    made = run(
        "add", NEWS, "description=All that is new", "posting=anyone", "--moderator", "alice",
        "--ban", "@rude.example", "--post-password",
    )  # fmt: skip
    assert (made["posting"], made["moderators"]) == ("anyone", ["alice"])
    assert made["has_post_password"] and "sesame" not in json.dumps(made)
    changed = run("change", NEWS, "is_public=on", "--allow", "ann@far.example")
    assert changed["is_public"] is True
    assert changed["poster_rules"] == ["allow ann@far.example", "ban @rude.example"]
    assert [one["address"] for one in run("list", "one.example")] == [NEWS]
    assert run("show", NEWS)["has_post_password"]
    assert "is taken" in refused("add", NEWS)
    assert "no user" in refused("change", NEWS, "--moderator", "nobody")
    assert "no setting" in refused("change", NEWS, "nothing=1")
    assert "there is no mailing list" in refused("show", "none@one.example")
    assert run("remove", NEWS) == {"done": f"removed {NEWS}"}
    assert not MailingList.objects.exists()
    entry = AuditEntry.objects.get(verb="deleted mailing list")
    assert entry.actor.endswith("(manage.py list)")


@pytest.mark.spec("L-012")
def test_subscribers_from_the_line_and_from_a_file(tmp_path: Any, mailoutbox: Any) -> None:
    run("add", NEWS)
    assert run("subscribe", NEWS, "ann@far.example", "--mode", "digest") == {
        "done": "added 1, 0 were on the list already"
    }
    file = tmp_path / "people.csv"
    file.write_text("address,name\nann@far.example,Ann\nbob@far.example,Bob\nnobody,\n")
    assert run("subscribe", NEWS, "--file", str(file))["done"].startswith("added 1, 1 were")
    assert "cannot be read" in refused("subscribe", NEWS, "--file", str(tmp_path / "none"))
    assert "name addresses" in refused("subscribe", NEWS)
    assert run("subscribe", NEWS, "eve@far.example", "--ask")["done"].startswith("wrote to 1")
    assert [message.to for message in mailoutbox] == [["eve@far.example"]]
    out = io.StringIO()
    call_command("list", "subscribers", NEWS, "--state", "active", stdout=out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().lstrip("\ufeff"))))
    assert [(row["address"], row["mode"]) for row in rows] == [
        ("ann@far.example", "digest"), ("bob@far.example", "standard"),
    ]  # fmt: skip
    assert [one["name"] for one in run("subscribers", NEWS)] == ["", "Bob", ""]
    assert run("unsubscribe", NEWS, "bob@far.example", "x@y.example") == {"done": "removed 1"}
    assert Subscriber.objects.count() == 2
    assert services.rules_of(MailingList.objects.get()) == []
