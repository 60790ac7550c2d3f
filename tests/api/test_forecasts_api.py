"""Forecasts over REST: another limit of the hour, another gateway (S-068)."""

import pytest

from clock.moments import utc_now
from events.models import AuditEntry
from spool import gateways
from spool.models import FlowRate, Gateway, QueueGroup


@pytest.fixture
def queue(world):
    return QueueGroup.objects.create(
        destination="far.test", domain_id=world.own.pk, priority=5, recipients=600,
        measured_at=utc_now(),
    )  # fmt: skip


@pytest.mark.spec("S-068", "T-003")
def test_another_limit_of_the_hour_is_forecast(world, program, queue):
    asker = program(world.root)
    found = asker.call("get", "spool/forecast/?of=own.example&messages_per_hour=10").json()
    assert (found["who"], found["waiting"]) == ("own.example", 600)
    assert found["as_it_is"]["empty_at"] < found["supposed"]["empty_at"]
    assert found["supposed"]["words"].startswith("At this rate empty ")
    assert found["whole_spool"]["empty_at"] >= found["supposed"]["empty_at"]
    free = asker.call("get", "spool/forecast/?of=own.example").json()
    assert free["supposed"]["empty_at"] < found["supposed"]["empty_at"]
    assert asker.call("get", "spool/forecast/?of=nowhere.example").status_code == 404
    for wrong in ("", "?of=own.example&messages_per_hour=-1", "?of=own.example&other=1"):
        assert asker.call("get", f"spool/forecast/{wrong}").status_code == 422, wrong


@pytest.mark.spec("S-068", "G-006")
def test_another_gateway_is_forecast_and_not_saved(world, program, queue):
    for host, ended in (("mx.slow.test", 60), ("mx.fast.test", 6000)):
        FlowRate.objects.create(
            kind="host", name=host, ended=ended, try_seconds=0.5, measured_seconds=600
        )
    row = gateways.add(values={"name": "slow", "host": "mx.slow.test"}, by=None)
    asker, entries = program(world.root), AuditEntry.objects.count()
    changed = {"gateway": row.pk, "host": "mx.fast.test"}
    more = {"name": "fast", "host": "mx.fast.test", "destinations": ["far.test"]}
    for body in (changed, more):
        found = asker.call("post", "gateways/forecast/", body).json()
        assert found["supposed"]["empty_at"] < found["as_it_is"]["empty_at"], body
    assert list(Gateway.objects.values_list("host", flat=True)) == ["mx.slow.test"]
    assert AuditEntry.objects.count() == entries
    for wrong, status in (
        ({"gateway": 10**6}, 404),
        ({"name": "slow", "host": "mx.fast.test"}, 422),
        ({"name": "new"}, 422),
        ({**more, "sending_domains": ["nowhere.example"]}, 422),
        ({**more, "destinations": ["no domain"]}, 422),
    ):
        assert asker.call("post", "gateways/forecast/", wrong).status_code == status, wrong
