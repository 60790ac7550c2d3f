"""Gateways and the spool's settings, as an operator changes them."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts import secrets
from domains.errors import DomainUnknown, NameMalformed, ValuesRefused
from events.models import AuditEntry
from spool import gateways
from spool.configuration import SPOOL
from spool.models import Gateway
from switchboard.models import Change
from switchboard.topics import Topic
from tests.factories import make_domain

pytestmark = pytest.mark.django_db


@pytest.mark.spec("G-001", "G-002", "G-003", "G-005")
@pytest.mark.spec("X-034")
def test_a_gateway_keeps_its_password_encrypted() -> None:
    make_domain("one.example")
    gateway = gateways.add(
        values={"name": "out", "host": "mx.example", "username": "me"},
        password="s3cret",
        destinations=["Sink.TEST", ".below.test"],
        sending_domains=["one.example"],
        by=None,
    )
    assert gateway.port == 25
    assert gateways.password_of(gateway) == "s3cret"
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM spool_gateway")
        assert b"s3cret" not in bytes(cursor.fetchone()[0])
    assert gateways.scope_of(gateway) == {
        "destinations": [".below.test", "sink.test"],
        "sending_domains": ["one.example"],
    }
    assert "s3cret" not in str(AuditEntry.objects.get(object_name="out").changes)
    gateways.change(gateway=gateway, values={"port": 26}, by=None)
    assert gateways.password_of(Gateway.objects.get()) == "s3cret"
    gateways.change(gateway=gateway, values={}, password="", by=None)
    assert gateways.password_of(Gateway.objects.get()) == ""
    gateways.delete(gateway=gateway, by=None)
    notes = Change.objects.filter(topic=Topic.ROUTES)
    assert notes.count() == 4


@pytest.mark.spec("G-002", "G-004", "G-006")
@pytest.mark.parametrize(
    "values",
    [
        {"host": ""},
        {"host": "a b"},
        {"host": "mx..example"},
        {"port": 0},
        {"port": 65536},
        {"encryption": "rot13"},
        {"minimum_priority": 0},
        {"maximum_priority": 11},
        {"minimum_priority": 5, "maximum_priority": 4},
        {"username": "a\r\nb"},
        {"name": "first"},
        {"name": ""},
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    gateways.add(values={"name": "first", "host": "192.0.2.1"}, by=None)
    with pytest.raises(ValuesRefused):
        gateways.add(values={"name": "new", "host": "mx.example", **values}, by=None)


def test_a_scope_names_real_domains() -> None:
    values = {"name": "out", "host": "localhost"}
    with pytest.raises(NameMalformed):
        gateways.add(values=values, destinations=["*"], by=None)
    with pytest.raises(DomainUnknown):
        gateways.add(values=values, sending_domains=["nowhere.example"], by=None)


@pytest.mark.spec("S-046", "S-047", "S-048")
@pytest.mark.parametrize(
    "values",
    [
        {"retry_minutes": []},
        {"retry_minutes": [0]},
        {"retry_minutes": ["15"]},
        {"retry_minutes": [True]},
        {"retry_minutes": 15},
        {"patience_days": 15},
        {"patience_days": 0},
        {"subspools": 101},
        {"postmaster": "nobody"},
        {"double_bounces": "triple"},
    ],
)
def test_settings_of_the_spool_stay_in_their_ranges(values: dict[str, object]) -> None:
    with pytest.raises(ValuesRefused):
        SPOOL.change(values, by=None)


@pytest.mark.spec("X-034")
def test_what_is_encrypted_for_one_purpose_opens_no_other() -> None:
    sealed = secrets.encrypt("gateway password", b"x")
    assert sealed != secrets.encrypt("gateway password", b"x")
    assert secrets.decrypt("gateway password", sealed) == b"x"
    for purpose, text in (
        ("cram-md5 state", sealed),
        ("gateway password", sealed[:-1]),
        ("gateway password", b""),
        ("gateway password", b"\x01"),
        ("gateway password", b"\x02" + sealed[1:]),
    ):
        with pytest.raises(secrets.Undecipherable):
            secrets.decrypt(purpose, text)


@pytest.mark.spec("X-034")
def test_an_older_key_still_opens_what_it_sealed(settings: object) -> None:
    sealed = secrets.encrypt("p", b"x")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
    settings.SECRET_KEY = "another key"  # type: ignore[attr-defined]
    assert secrets.decrypt("p", sealed) == b"x"
    settings.SECRET_KEY_FALLBACKS = []  # type: ignore[attr-defined]
    with pytest.raises(secrets.Undecipherable):
        secrets.decrypt("p", sealed)
