"""Two operators enter the same at the same moment: the second one is told, or changes what is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError

from blobs.contention import tried_again
from clock.moments import utc_now
from domains.errors import ValuesRefused
from operations import blocks, listing, rules
from operations.models import AbuseRule, BlacklistEntry, Block, RelayNetwork
from spool import gateways
from tests.races import Pause, beside
from transport import overrides
from transport.models import TlsPolicyOverride

pytestmark = pytest.mark.django_db(transaction=True)

RULE = {
    "kind": "guessing", "service": "pop", "window_seconds": 60, "threshold": 5, "block_seconds": 60,
}  # fmt: skip


def enter_twice(enter: Callable[[], object]) -> None:
    def enter_first(pause: Pause) -> None:
        enter()
        pause()

    with beside(enter_first):
        enter()


@pytest.mark.parametrize(
    "enter",
    [
        lambda: listing.add(BlacklistEntry, network="198.18.0.0/24", by=None),
        lambda: rules.add(values=RULE, by=None),
        lambda: gateways.add(values={"name": "out", "host": "mx.example"}, by=None),
    ],
    ids=["listed network", "abuse rule", "gateway"],
)
def test_what_somebody_is_just_entering_is_refused_in_words(enter: Callable[[], object]) -> None:
    AbuseRule.objects.all().delete()
    with pytest.raises(ValuesRefused):
        enter_twice(enter)


def test_what_can_be_changed_is_changed() -> None:
    enter_twice(lambda: blocks.add(network="198.18.0.7", seconds=60, by=None))
    assert Block.objects.count() == 1
    enter_twice(lambda: overrides.set_override(destination="x.test", level="required", by=None))
    assert TlsPolicyOverride.objects.count() == 1


def test_what_stays_taken_is_an_error_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blobs.contention.PAUSE_SECONDS", 0)

    @tried_again
    def enter() -> None:
        RelayNetwork.objects.create(network="192.0.2.0/24", created_at=utc_now())

    enter()
    with pytest.raises(IntegrityError):
        enter()
