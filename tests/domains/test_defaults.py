"""What new domains begin with, and setting it on domains that exist (D-027)."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts import provisioning
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from domains import defaults
from domains.errors import ChangedMeanwhile, ValuesRefused
from domains.models import TABS, Domain, DomainDefaults
from events.models import AuditEntry
from tests.factories import make_domain

pytestmark = pytest.mark.django_db


@pytest.mark.spec("D-027")
def test_the_factory_values_are_those_of_the_models_until_somebody_sets_others() -> None:
    assert defaults.current() == defaults.factory()
    assert set(defaults.factory()) == {"options", *TABS}
    assert defaults.factory()["limits"]["users"] == 100
    defaults.change(values={"limits": {"users": 20}}, by=None)
    assert defaults.current()["limits"]["users"] == 20
    assert DomainDefaults.objects.get().values == {"limits": {"users": 20}}
    defaults.change(values={"limits": {"users": 100}}, by=None)
    assert DomainDefaults.objects.get().values == {}


@pytest.mark.spec("D-027")
def test_a_new_domain_begins_with_the_defaults_unless_told_otherwise() -> None:
    values = {
        "options": {"list_command_address": "Lists", "is_disabled": True},
        "technical": {"smtp_alternate_port_enabled": False, "forwarding_exclusions": "low"},
        "features": {"notes": False},
        "limits": {"users": 20, "disk_space_mb": 50},
        "event_restrictions": {"user_added": False},
    }
    defaults.change(values=values, by=None)
    administrator = NewUser(username="admin")
    new = NewDomain(name="new.example", administrator=administrator, tabs={"limits": {"users": 30}})
    domain = provisioning.open_domain(new=new, by=None)
    assert domain.list_command_address == "lists" and domain.is_disabled
    assert domain.domainlimits.users == 30 and domain.domainlimits.disk_space_mb == 50
    assert domain.domaintechnical.forwarding_exclusions == "low"
    assert not domain.domaintechnical.smtp_alternate_port_enabled
    assert not domain.domainfeatures.notes and not domain.domaineventtypes.user_added


@pytest.mark.spec("D-027")
@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"limits": {"users": -1}}, "limits.users"),
        ({"limits": {"colour": 1}}, "limits.colour"),
        ({"nothing": {"users": 1}}, "nothing.users"),
        ({"technical": {"pop_port": 143}}, "technical.pop_port"),
        ({"technical": {"smtp_port": 993}}, "technical.smtp_port"),
        ({"technical": {"source_address_ipv4": "chosen"}}, "technical.chosen_source_ipv4"),
        ({"options": {"list_command_address": "two words"}}, "options.list_command_address"),
    ],
)
def test_values_that_no_domain_could_have_are_refused(
    values: dict[str, dict[str, object]], field: str
) -> None:
    with pytest.raises(ValuesRefused) as refused:
        defaults.change(values={"features": {"notes": False}} | values, by=None)
    assert field in [problem.field for problem in refused.value.problems]
    assert defaults.current() == defaults.factory()


@pytest.mark.spec("D-027", "X-005")
def test_who_saves_second_is_told_and_the_change_is_written_down() -> None:
    row = defaults.load()
    defaults.change(values={"limits": {"users": 7}}, by=None, expected_version=row.version)
    with pytest.raises(ChangedMeanwhile):
        defaults.change(values={"limits": {"users": 8}}, by=None, expected_version=row.version)
    entry = AuditEntry.objects.get(verb="changed domain defaults")
    assert entry.changes == {"limits.users": [100, 7]}


def test_a_default_of_another_release_is_as_if_it_had_not_been_set() -> None:
    kept = {"limits": {"users": 5, "gone": 1, "domain_aliases": "x"}, "gone": {"a": 1}}
    DomainDefaults.objects.create(pk=defaults.KEY, values=kept)
    assert defaults.current()["limits"]["users"] == 5
    assert defaults.current()["limits"]["domain_aliases"] == 2
    assert make_domain().domainlimits.users == 5


@pytest.mark.spec("D-027")
def test_the_command_shows_changes_and_sets_defaults() -> None:
    one, two = make_domain("one.example"), make_domain("two.example")

    def run(*arguments: str) -> Any:
        out = io.StringIO()
        call_command("domaindefaults", *arguments, "--json", stdout=out)
        return json.loads(out.getvalue())

    shown = run("change", "limits.users=20", "options.list_command_address=lists")
    assert shown["limits.users"] == 20 and run("show") == shown
    fields = "limits.users,options.list_command_address"
    (dry,) = run("set-on", fields, "one.example", "--dry-run")
    words = "options.list_command_address listserv -> lists"
    assert "limits.users 100 -> 20" in dry["changes"] and words in dry["changes"]
    one.refresh_from_db()
    assert one.domainlimits.users == 100
    assert len(run("set-on", fields, "--all")) == 2
    for domain in (one, two):
        domain = Domain.objects.get(pk=domain.pk)
        assert (domain.domainlimits.users, domain.list_command_address) == (20, "lists")
    operations = AuditEntry.objects.filter(verb__in=("changed limits", "changed options"))
    assert len(set(operations.values_list("operation", flat=True))) == 1
    for wrong in (("set-on", fields), ("set-on", "users", "--all"), ("change", "users=1")):
        with pytest.raises(CommandError):
            run(*wrong)
