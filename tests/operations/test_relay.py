"""The networks whose machines may send without logging in, and the listeners' settings."""

from __future__ import annotations

import pytest

from domains.errors import ValuesRefused
from events.models import AuditEntry
from operations import relay, settings
from operations.errors import NetworkMalformed, NetworkTooWide
from operations.models import RelayNetwork
from operations.services import LISTENERS
from switchboard.models import Change
from switchboard.topics import Topic

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget() -> None:
    settings.forget()
    LISTENERS.forget()


@pytest.mark.spec("G-040")
def test_a_listed_network_may_relay_until_it_is_removed() -> None:
    row = relay.add(network=" 192.0.2.77/24 ", note="office", by=None)
    relay.add(network="2001:db8::1", by=None)
    assert row.network == "192.0.2.0/24"
    settings.forget()
    policy = settings.current()
    assert [policy.may_relay(ip) for ip in ("192.0.2.9", "2001:db8::1", "192.0.3.9")] == [
        True,
        True,
        False,
    ]
    relay.remove(row=row, by=None)
    settings.forget()
    assert not settings.current().may_relay("192.0.2.9")
    assert {note.topic for note in Change.objects.all()} == {Topic.SETTINGS}
    assert AuditEntry.objects.filter(verb__contains="relay network").count() == 3


@pytest.mark.spec("G-041")
@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "8000::/1"])
def test_a_network_that_would_make_an_open_relay_is_refused(text: str) -> None:
    with pytest.raises(NetworkTooWide):
        relay.add(network=text, by=None)
    assert not RelayNetwork.objects.exists()


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2", "192.0.2.0/33", "1.2.3.4/x", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(NetworkMalformed):
        relay.add(network=text, by=None)


@pytest.mark.spec("G-040")
def test_a_network_relays_by_the_services_that_are_chosen_for_it() -> None:
    row = relay.add(network="192.0.2.0/24", services=["submission"], by=None)
    settings.forget()
    policy = settings.current()
    assert policy.may_relay("192.0.2.9", on_submission=True)
    assert not policy.may_relay("192.0.2.9")
    relay.change(row=row, values={"services": ["submission", "SMTP", "smtp"]}, by=None)
    assert row.services == ["smtp", "submission"]
    settings.forget()
    assert settings.current().may_relay("192.0.2.9")
    assert Change.objects.filter(topic=Topic.SETTINGS).count() == 2
    for services in ([], ["imap"], [" "]):
        with pytest.raises(ValuesRefused):
            relay.change(row=row, values={"services": services}, by=None)
        with pytest.raises(ValuesRefused):
            relay.add(network="192.0.3.0/24", services=services, by=None)


def test_a_network_is_listed_once() -> None:
    relay.add(network="192.0.2.0/24", by=None)
    with pytest.raises(ValuesRefused):
        relay.add(network="192.0.2.5/24", by=None)


@pytest.mark.spec("N-007", "N-020", "X-004")
def test_settings_change_in_memory_and_leave_a_note() -> None:
    assert settings.current().message_bytes == 50 * 1024 * 1024
    LISTENERS.change({"message_size_mb": 1, "bad_commands": 3}, by=None)
    settings.forget()
    policy = settings.current()
    assert (policy.message_bytes, policy.bad_commands) == (1024 * 1024, 3)
    assert Change.objects.get().topic == Topic.SETTINGS


@pytest.mark.parametrize(
    "values",
    [{"bad_commands": 0}, {"imap_idle_seconds": 60}, {"message_size_mb": -1}, {"nonsense": 1}],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValuesRefused):
        LISTENERS.change(values, by=None)
