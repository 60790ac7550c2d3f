"""manage.py domain, user and alias: the same rules and record as everywhere."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import User, UserAlias
from domains.models import Domain, DomainLimits
from events.models import AuditEntry
from tests.factories import PASSWORD, make_domain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n" * 3))


def run(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


def said(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def refused(*words: str) -> str:
    with pytest.raises(CommandError) as error:
        run(*words)
    return str(error.value)


def test_a_domain_from_opening_to_deleting() -> None:
    assert run("domain", "open", "New.example")["name"] == "new.example"
    assert User.objects.get().local_part == "admin"
    page = run("domain", "change", "new.example", "limits.users=7", "list_command_address=lists")
    assert (page["limits"]["users"], page["list_command_address"]) == (7, "lists")
    assert run("domain", "disable", "new.example")["is_disabled"] is True
    assert run("domain", "list")[0]["is_disabled"] is True
    assert run("domain", "enable", "new.example")["is_disabled"] is False
    assert "users=7" in said("domain", "show", "new.example")
    assert said("domain", "list").startswith("new.example ")
    assert "add --yes" in refused("domain", "delete", "new.example")
    assert run("domain", "delete", "new.example", "--yes") == {"done": "deleted new.example"}
    assert not Domain.objects.exists()
    entry = AuditEntry.objects.get(verb="changed limits")
    assert entry.actor.endswith("(manage.py domain)")


def test_a_user_from_adding_to_deleting() -> None:
    make_domain("own.example")
    assert run("user", "add", "ada@own.example", "full_name=Ada", "pop_access=off")["role"] == (
        "user"
    )
    assert User.objects.get(local_part="ada").check_password(PASSWORD)
    shown = run("user", "change", "ADA@own.example", "mailbox_size_mb=50")
    assert (shown["mailbox_size_mb"], shown["pop_access"], shown["full_name"]) == (50, False, "Ada")
    assert run("user", "disable", "ada@own.example")["status"] == "disabled"
    assert run("user", "enable", "ada@own.example")["status"] == "enabled"
    assert "set the password" in said("user", "password", "ada@own.example")
    assert [row["address"] for row in run("user", "list", "own.example")] == [
        "ada@own.example", "admin@own.example",
    ]  # fmt: skip
    assert "last enabled administrator" in refused("user", "disable", "admin@own.example")
    assert "add --yes" in refused("user", "delete", "ada@own.example")
    run("user", "delete", "ada@own.example", "--yes")
    assert "password" not in json.dumps(run("user", "show", "admin@own.example")).replace(
        "password_locked", ""
    ).replace("must_change_password", "")


def test_an_alias_from_adding_to_deleting() -> None:
    make_domain("own.example", "ada")
    added = run("alias", "add", "sales@own.example", "--to", "ada", "--to", "x@far.example")
    assert added["to"] == ["ada", "x@far.example"]
    changed = run("alias", "change", "sales@own.example", "internal_only=on")
    assert (changed["internal_only"], changed["to"]) == (True, ["ada", "x@far.example"])
    assert run("alias", "change", "sales@own.example", "--to", "admin")["to"] == ["admin"]
    assert run("alias", "list", "own.example")[0]["address"] == "sales@own.example"
    assert run("alias", "catch-all", "own.example", "--to", "ada")["to"] == ["ada"]
    caught = run("alias", "catch-all", "own.example", "takes_reports=on", "--to", "ada")
    assert caught["takes_reports"] is True
    assert "takes_reports" not in run("alias", "show", "sales@own.example")
    assert "refused" in run("alias", "catch-all", "own.example")["done"]
    run("alias", "delete", "sales@own.example")
    assert not UserAlias.objects.exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("domain", "show", "nowhere.example"), "nowhere.example"),
        (("user", "show", "nobody@own.example"), "nobody@own.example"),
        (("user", "show", "nobody"), "nobody"),
        (("alias", "show", "nobody@own.example"), "nobody@own.example"),
        (("domain", "change", "own.example", "limits.users"), "name=value"),
        (("domain", "change", "own.example", "limits.nothing=1"), "no setting nothing"),
        (("domain", "change", "own.example", "limits.users=many"), "whole number"),
        (("domain", "change", "own.example", "name=evil.example"), "no such setting"),
        (("user", "change", "admin@own.example", "pop_access=maybe"), "on or off"),
        (("user", "change", "admin@own.example", "role=admin"), "no such setting"),
        (("domain", "open", "own.example"), "own.example"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(words: tuple[str, ...], answer: str) -> None:
    make_domain("own.example")
    assert answer in refused(*words)
    assert DomainLimits.objects.get().users == 100 and Domain.objects.get().name == "own.example"
