"""Lines about changes in the log that administrators of domains read, too (M-080)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from accounts import services
from accounts.models import User
from domains.models import Domain
from events import audit
from logbook.kinds import Kind
from tests.factories import make_domain
from tests.logs import Lines, logged_in
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

OFFICE = "198.51.100.7"


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    with logged_in(tmp_path) as lines:
        yield lines


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.mark.parametrize("who", ["root", "reseller", "admin"])
def test_customers_read_only_from_where_their_own_people_came(
    world: World, lines: Lines, django_capture_on_commit_callbacks: Callable[..., object], who: str
) -> None:
    by: User = getattr(world, who)
    impersonator = world.root if who == "root" else None
    with (
        django_capture_on_commit_callbacks(execute=True),
        audit.acting(client_address=OFFICE, impersonator=impersonator),
    ):
        subject = world.admin if impersonator else by
        services.change_user(user=world.user, values={"full_name": "A"}, by=subject)
    (line,) = lines(Kind.ADMIN, "own.example")
    assert "changed user alice@own.example" in line
    assert (OFFICE in line) == (who == "admin")


def test_what_only_the_provider_reads_says_from_where(
    world: World, lines: Lines, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    with django_capture_on_commit_callbacks(execute=True), audit.acting(client_address=OFFICE):
        audit.record(world.root, "changed user", world.reseller)
    (line,) = lines(Kind.ADMIN)
    assert line.endswith(f"from {OFFICE}")


def test_changes_of_a_domain_with_an_international_name_are_found_by_it(
    lines: Lines, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    domain: Domain = make_domain("bücher.example")
    with django_capture_on_commit_callbacks(execute=True):
        audit.record(None, "changed options", domain)
    assert len(lines(Kind.ADMIN, domain.name)) == 1
    assert domain.name == "xn--bcher-kva.example"
