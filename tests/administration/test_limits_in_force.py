"""Of several ceilings the one that is met first binds."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import plans
from accounts.settings import CAPS
from administration import limits
from administration.limits import InForce
from clock.moments import to_micros
from domains import services as domain_services
from mailboxes.models import AccountUsage, DomainUsage
from spool import throttle
from spool.models import ThrottleHour
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
MB = 2**20


@pytest.fixture
def world() -> World:
    return make_world()


def by_name(found: tuple[InForce, ...]) -> dict[str, InForce]:
    return {one.limit: one for one in found}


@pytest.mark.spec("D-080", "D-081")
def test_the_plan_binds_where_less_is_left_of_it_than_of_the_domains_own(world: World) -> None:
    plans.add(name="small", by=None, values={"users": 3, "users_per_domain": 50})
    plans.put_on(username="rob", plan_name="small", by=None)
    users = by_name(limits.of_domain(world.own, now=NOW))["users"]
    assert [(one.source, one.allowed, one.used) for one in users.chain] == [
        ("plan small, all domains together", 3, 2),
        ("plan small, each domain", 50, 2),
        ("domain", 100, 2),
    ]
    assert (users.allowed, users.used, users.left) == (3, 2, 1)
    assert users.binding is not None
    assert users.binding.source == "plan small, all domains together"
    users = by_name(limits.as_customers_see(limits.of_domain(world.own, now=NOW)))["users"]
    assert [(one.source, one.allowed, one.used) for one in users.chain] == [
        ("provider", 3, 2),
        ("provider", 50, 2),
        ("domain", 100, 2),
    ]


@pytest.mark.spec("D-081")
@pytest.mark.spec("X-011")
def test_the_caps_of_the_server_stand_first_and_tell_nobody_else_what_others_have(
    world: World,
) -> None:
    CAPS.change({"users": 5, "disk_space_mb": 10, "mailing_lists": 3}, by=None)
    found = limits.of_domain(world.own, now=NOW)
    users = by_name(found)["users"]
    assert [(one.source, one.allowed, one.used) for one in users.chain] == [
        ("system, all domains together", 5, 4),
        ("domain", 100, 2),
    ]
    assert users.left == 1
    space = by_name(limits.of_user(world.user, now=NOW))["disk_space"]
    assert [one.source for one in space.chain][0] == "system, all domains together"
    assert by_name(found)["mailing_lists"].allowed == 3
    for see in (limits.as_resellers_see, limits.as_customers_see):
        users = by_name(see(found))["users"]
        assert [(one.source, one.allowed, one.used) for one in users.chain] == [
            ("provider", 3, 2),
            ("domain", 100, 2),
        ]
    whole = by_name(limits.of_server())
    assert (whole["users"].allowed, whole["users"].used, whole["users"].left) == (5, 4, 1)
    assert (whole["domains"].allowed, whole["domains"].used) == (None, 2)


def test_zero_is_no_limit_and_usage_above_a_lowered_one_is_told(world: World) -> None:
    values = {"users": 1, "user_aliases": 0}
    domain_services.change_tab(domain=world.own, tab="limits", values=values, by=None)
    found = by_name(limits.of_domain(world.own, now=NOW))
    assert found["user_aliases"].binding is None
    assert (found["user_aliases"].used, found["user_aliases"].left) == (1, None)
    assert found["users"].left == 0
    assert found["users"].binding is not None and found["users"].binding.is_over


def test_disk_space_of_a_user_is_bound_by_whoever_has_least_left(world: World) -> None:
    world.user.mailbox_size_mb = 10
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": 2 * MB})
    DomainUsage.objects.update_or_create(domain=world.own, defaults={"bytes": 499 * MB})
    space = by_name(limits.of_user(world.user, now=NOW))["disk_space"]
    assert [one.source for one in space.chain] == ["domain", "user"]
    assert space.binding is not None
    assert (space.binding.source, space.left) == ("domain", 1 * MB)


def test_the_size_of_a_message_is_the_smaller_of_the_systems_and_the_domains(world: World) -> None:
    size = by_name(limits.of_domain(world.own, now=NOW))["message_size"]
    assert size.allowed == 10_000 * 1024
    values = {"max_message_size_kb": 0}
    domain_services.change_tab(domain=world.own, tab="limits", values=values, by=None)
    size = by_name(limits.of_domain(world.own, now=NOW))["message_size"]
    assert size.binding is not None and size.binding.source == "system"


def test_an_hour_tells_what_is_used_since_its_release_and_when_it_ends(world: World) -> None:
    values = {"outgoing_messages_per_hour": 50, "outgoing_messages_per_hour_enabled": True}
    domain_services.change_tab(domain=world.own, tab="throttling", values=values, by=None)
    hour = throttle.hour_of(to_micros(NOW))
    ThrottleHour.objects.create(
        kind="domain", key_id=world.own.pk, hour=hour, messages=40, messages_before=10
    )
    sent = by_name(limits.of_user(world.user, now=NOW))["outgoing_messages_per_hour"]
    assert (sent.allowed, sent.used, sent.left) == (50, 30, 20)
    assert sent.resets_at == datetime(2026, 3, 4, 6, tzinfo=UTC)


def test_the_command_tells_people_and_programs(world: World) -> None:
    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command("limits", *arguments, stdout=out)
        return out.getvalue()

    shown = run("own.example")
    assert "500 MB" in shown and "begins anew (UTC)" in shown
    told = {one["limit"]: one for one in json.loads(run("alice@alias.example", "--json"))}
    assert told["disk_space"]["binding"] == "domain"
    CAPS.change({"domains": 7}, by=None)
    whole = {one["limit"]: one for one in json.loads(run("--json"))}
    assert (whole["domains"]["allowed"], whole["domains"]["used"]) == (7, 2)
    for name in ("nowhere.example", "nobody@own.example"):
        with pytest.raises(CommandError, match="there is no domain or user"):
            run(name)


def test_the_page_shows_them(world: World) -> None:
    client = Client()
    client.force_login(world.admin)
    page = client.get("/panel/domain/own.example/limits/").content.decode()
    assert "Limits in force" in page and "500 MB" in page and "begins anew at" in page
