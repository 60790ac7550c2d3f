"""manage.py throttle, as an operator types it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clock.moments import to_micros
from events.models import AuditEntry
from spool.management.commands import throttle as command
from tests import factories
from tests.spool.claiming import claim
from tests.spool.hourly import TEN_TO_THREE
from tests.spool.outgoing import submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]
assert command.utc_now  # imported before the clock is set


def say(*words):
    out = StringIO()
    call_command("throttle", *words, stdout=out)
    return out.getvalue()


@pytest.mark.spec("T-013")
def test_an_operator_sees_who_is_throttled_and_releases_them():
    limit = {"outgoing_messages_per_hour": 1, "outgoing_messages_per_hour_enabled": True}
    factories.make_domain("one.example", throttling=limit)
    submit("a@far.test", "b@far.test")
    assert say("list") == "nobody is throttled\n"
    claim(now=to_micros(TEN_TO_THREE))
    shown = say("list")
    assert "one.example" in shown and "until (UTC)" in shown
    assert "1 of 1 messages this hour" in shown
    [row] = json.loads(say("list", "--json"))
    assert (row["kind"], row["who"], row["waiting"]) == ("domain", "one.example", 1)
    assert json.loads(say("release", "one.example", "--json")) == {
        "released": "one.example", "recipients": 1,
    }  # fmt: skip
    assert AuditEntry.objects.filter(verb="released throttle").exists()
    assert json.loads(say("list", "--json")) == []
    for words in ("one.example", "admin@one.example", "nobody@one.example", "no.example", "@"):
        with pytest.raises(CommandError):
            say("release", words)
