"""The alarm about addresses that domains listen on and that are gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domains import ownaddresses, services
from domains.models import Domain
from events.models import AuditEntry
from operations import lostaddresses
from operations.models import LostAddress
from tests.factories import make_domain

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
LOST = "192.0.2.1"


def make(name: str, address: str) -> Domain:
    domain = make_domain(name)
    services.change_options(domain=domain, options={"listen_ip": address}, by=None)
    return Domain.objects.get(pk=domain.pk)


def verbs() -> list[str]:
    entries = AuditEntry.objects.filter(object_type="operations.lostaddress").order_by("pk")
    return [entry.verb for entry in entries]


@pytest.mark.spec("D-033")
def test_an_address_that_goes_is_told_of_once_and_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = make("one.example", LOST), make("two.example", "127.0.0.9")
    make("three.example", LOST)
    assert lostaddresses.look(now=NOW) == {LOST}
    assert lostaddresses.look(now=NOW + timedelta(minutes=1)) == {LOST}
    row = LostAddress.objects.get()
    assert (row.address, row.since, verbs()) == (LOST, NOW, ["lost address"])
    assert AuditEntry.objects.get(verb="lost address").changes == {"domains": [2, 0]}
    assert lostaddresses.row_for(one) == row and lostaddresses.row_for(two) is None
    assert lostaddresses.domains_without(Domain.objects.all()).count() == 2
    monkeypatch.setattr(ownaddresses, "can_bind", lambda address: True)
    ownaddresses.forget()
    assert lostaddresses.look(now=NOW) == frozenset()
    assert verbs() == ["lost address", "no longer misses address"]
    assert lostaddresses.row_for(one) is None
    ownaddresses.forget()


def test_nobody_misses_the_address_of_a_disabled_domain() -> None:
    one = make("one.example", LOST)
    lostaddresses.look(now=NOW)
    services.set_disabled(domain=one, is_disabled=True, by=None)
    assert lostaddresses.look(now=NOW) == frozenset()
    assert not LostAddress.objects.exists()


def test_of_each_machine_its_own_addresses_are_missed() -> None:
    LostAddress.objects.create(address="192.0.2.8", node=7, since=NOW)
    assert lostaddresses.look(now=NOW) == frozenset()
    assert LostAddress.objects.get().node == 7
