"""Every page as a browser shows it: accessible, quiet, and no wider than a phone."""

from __future__ import annotations

import pytest

from domains.models import Domain
from tests.browser import Visitor
from tests.factories import make_domain
from tests.people import make_world

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_log_in_page(visitor: Visitor) -> None:
    visitor.inspect("/panel/login/", "login")


def test_pages_of_a_system_administrator(visitor: Visitor) -> None:
    world = make_world()
    for number in range(12):
        make_domain(f"customer{number:02}.example", "carol", "dave")
    Domain.objects.filter(name="customer03.example").update(is_disabled=True)
    visitor.log_in(world.root)
    visitor.inspect("/panel/", "home")
    visitor.inspect("/panel/domains/", "domains")
    visitor.inspect("/panel/domains/?size=25&q=nothing", "domains-none")
    visitor.inspect("/panel/domains/new/", "domain-new")
    visitor.inspect("/panel/domain/own.example/", "domain")
    visitor.inspect("/panel/domains/delete/?name=own.example", "domain-delete")
    visitor.inspect("/panel/search/?q=a", "search")
