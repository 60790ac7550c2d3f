"""The operator's exceptions: by service and by command, on the record."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from domains.errors import NameMalformed, ValuesRefused
from events.models import AuditEntry
from transport import overrides
from transport.errors import OverrideUnknown

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    overrides.forget()


def put(destination, level="required", **given):
    row = overrides.set_override(destination=destination, level=level, by=None, **given)
    overrides.forget()
    return row


def test_the_narrowest_exception_counts():
    put(".test", "none")
    put(".far.test", "verified")
    put("far.test", "required")
    asked = ("far.test", "a.far.test", "a.b.far.test", "near.test", "else.example")
    found = [overrides.override_for(name) for name in asked]
    assert found == ["required", "verified", "verified", "none", None]


def test_what_cannot_be_set_is_refused():
    with pytest.raises(NameMalformed):
        put("not a domain")
    with pytest.raises(ValuesRefused):
        put("far.test", "sometimes")
    with pytest.raises(OverrideUnknown):
        overrides.remove_override(destination="far.test", by=None)


@pytest.mark.spec("S-055")
def test_the_command_sets_lists_and_removes_on_the_record():
    call_command("tlspolicy", "set", "far.test", "none", "--note", "broken since May")
    call_command("tlspolicy", "set", "far.test", "required")
    shown = StringIO()
    call_command("tlspolicy", "list", "--json", stdout=shown)
    assert json.loads(shown.getvalue()) == [
        {"destination": "far.test", "level": "required", "note": "broken since May"}
    ]
    call_command("tlspolicy", "remove", "far.test")
    with pytest.raises(CommandError, match="no TLS policy override"):
        call_command("tlspolicy", "remove", "far.test")
    verbs = list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert [verb.partition(" ")[0] for verb in verbs[-3:]] == ["added", "changed", "removed"]
