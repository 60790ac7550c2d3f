"""Forecasts with another limit or another gateway, asked for on their pages (S-068)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from clock.moments import utc_now
from mailinglists import services as lists
from spool import gateways
from spool.models import FlowRate, Gateway, QueueGroup
from tests.panel.spoolworld import HOSTILE, spooling
from tests.panel.test_route_pages import VALUES
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

LogIn = Callable[[User], Client]
STATISTICS = "/panel/spool/statistics/"


@pytest.fixture
def world(db: None) -> Iterator[World]:
    with spooling() as made:
        QueueGroup.objects.create(
            destination="far.test", domain_id=made.own.pk, priority=1, recipients=600,
            measured_at=utc_now(),
        )  # fmt: skip
        yield made


def shown(client: Client, **given: Any) -> str:
    return str(client.get(STATISTICS, given).content.decode())


@pytest.mark.spec("S-068", "T-011", "T-012")
def test_what_another_limit_would_do_is_asked_for_domains_users_and_lists(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    text = shown(client, of="own.example", limit="10")
    assert "own.example: 600 recipients wait" in text and "The whole spool then:" in text
    assert "With 10 messages an hour: At this rate empty " in text
    assert "With no limit: " in shown(client, of="own.example", limit="")
    assert "With no limit: " in shown(client, of="own.example", limit="0")
    lists.create_list(domain=world.own, local_part="news", values={}, by=None)
    for address in ("alice@own.example", "news@own.example"):
        text = shown(client, of=address, limit="10")
        assert f"{address}: 0 recipients wait" in text and "The whole spool" not in text
        assert "With 10 messages an hour: Nothing waits." in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"of": "nowhere.example"}, "There is no domain nowhere.example."),
        ({"of": "nobody@own.example"}, "There is no user or mailing list nobody@own.example."),
        ({"of": HOSTILE, "limit": "1"}, "There is no "),
        ({"of": "own.example", "limit": "-1"}, "Say a whole number"),
        ({"of": "own.example", "limit": HOSTILE}, "Say a whole number"),
        ({"of": "own.example", "limit": "9" * 30}, "Say a whole number"),
    ],
)
def test_what_cannot_be_asked_is_said(
    world: World, log_in: LogIn, given: dict[str, str], words: str
) -> None:
    text = shown(log_in(world.root), **given)
    assert words in text and HOSTILE not in text and "recipients wait" not in text


@pytest.mark.spec("S-068", "G-006")
def test_the_form_of_a_gateway_forecasts_before_it_is_saved(world: World, log_in: LogIn) -> None:
    for host, ended in (("mx.slow.test", 60), ("mx.example.net", 6000)):
        FlowRate.objects.create(
            kind="host", name=host, ended=ended, try_seconds=0.5, measured_seconds=600
        )
    row = gateways.add(values={"name": "slow", "host": "mx.slow.test"}, by=None)
    client, url = log_in(world.root), f"/panel/gateways/{row.pk}/"
    text = client.post(url, {**VALUES, "forecast": "1"}).content.decode()
    assert "Nothing is saved yet" in text and "With these values: At this rate empty" in text
    as_it_is, supposed = (text.partition(words)[2][:60] for words in ("As it is:", "values:"))
    assert as_it_is != supposed
    # What was typed stands in the form, but for the password, which is never shown.
    assert 'value="mx.example.net"' in text and "s3cret" not in text
    assert "type it once more before you save" in text
    row.refresh_from_db()
    assert (row.name, row.host, bytes(row.password)) == ("slow", "mx.slow.test", b"")
    text = client.post("/panel/gateways/new/", {**VALUES, "forecast": "1"}).content.decode()
    assert "Nothing is saved yet" in text and Gateway.objects.count() == 1
    wrong = {**VALUES, "forecast": "1", "scope-sending_domains": "nowhere.example"}
    text = client.post("/panel/gateways/new/", wrong).content.decode()
    assert "Nothing is saved yet" not in text
    assert "Nowhere.example is no domain of this server" in text
