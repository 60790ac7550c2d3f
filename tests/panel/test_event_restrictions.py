"""The Event Restrictions tab: a switch for each type of event, in six groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from domains.models import Domain, DomainEventTypes
from domains.values import settable_fields
from events.models import AuditEntry
from events.types import TYPES, Category
from tests.domains import specification
from tests.panel.test_domain_pages import filled
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
OWN = "/panel/domain/own.example/"


def test_the_table_of_types_and_the_switches_of_a_domain_are_the_same() -> None:
    assert [one.name for one in TYPES] == list(settable_fields(DomainEventTypes))
    assert all(field.default is True for field in DomainEventTypes._meta.fields[1:])


@pytest.mark.spec("E-001", lacks="rules, which it would restrict")
def test_the_tab_groups_its_switches_and_one_save_keeps_them_with_an_audit_entry(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    for url in (OWN, "/panel/domains/new/", "/panel/domain-defaults/"):
        page = client.get(url)
        form = page.context["tabbed"].form("event_restrictions")
        groups = [(name, [cell.field.name for cell in cells]) for name, cells in form.categories()]
        assert [name for name, _ in groups] == [
            "Alias", "Collaborate", "Email", "Mailing list", "Throttling", "User"
        ]  # fmt: skip
        assert groups[0][1] == ["alias_added", "alias_deleted"] and len(groups) == len(Category)
        assert sum(len(names) for _, names in groups) == 14
        text = page.content.decode()
        assert all(f'name="event_restrictions-{one.name}"' in text for one in TYPES)
    client.post(OWN, filled(client, OWN, event_restrictions__user_added=None))
    assert not Domain.objects.get(name="own.example").domaineventtypes.user_added
    entry = AuditEntry.objects.get(verb="changed event restrictions")
    assert entry.changes == {"user_added": [True, False]}
    client.post("/panel/audit/undo/", {"entry": entry.pk})
    assert Domain.objects.get(name="own.example").domaineventtypes.user_added


@pytest.mark.spec("E-003", "E-004", "E-005", lacks="rules, which have these owners")
@pytest.mark.spec("E-006", "E-007", "E-008", lacks="rules, which have these owners")
@pytest.mark.spec("E-002", lacks="the facts and conditions of each type, and the rule editor")
def test_types_of_events_stand_in_their_categories_with_who_may_own_rules(
    world: World, log_in: LogIn
) -> None:
    form = log_in(world.root).get(OWN).context["tabbed"].form("event_restrictions")
    shown = {name: [cell.field.name for cell in cells] for name, cells in form.categories()}
    assert shown == {
        category: [name for _, name in types]
        for category, types in specification.CATEGORIES.items()
    }
    registry = {one.number: (one.name, one.category, set(one.owners)) for one in TYPES}
    for category, types in specification.CATEGORIES.items():
        for number, name in types:
            owners = set(specification.OWNERS[category])
            if number in specification.ALSO_OWNED_BY_USERS:
                owners.add("user")
            assert registry.pop(number) == (name, category, owners)
    assert registry == {}
