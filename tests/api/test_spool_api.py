"""Mail on its way over REST: seen, commanded, traced; each by those whose mail it is."""

import pytest

from api.v1 import throttled as throttled_view
from blobs.ids import encode_id, new_id
from clock.moments import to_micros, utc_now
from spool import intake, ledger, throttle
from spool.models import SpooledMessage, SpooledRecipient, State, ThrottleCrossing
from tests.spool.conftest import *  # noqa: F403

assert intake and throttled_view and new_id and throttle


def make_message(world, sender="alice@own.example", to="x@far.example"):
    now = utc_now()
    message = SpooledMessage.objects.create(
        id=new_id(), origin="submission", sender=sender, domain=world.own, size_bytes=1000,
        accepted_at=now, expires_at=now, recipients_total=1, message_id="m1@own.example",
    )  # fmt: skip
    SpooledRecipient.objects.create(
        id=new_id(), message=message, address=to, original_address=to, route="remote",
        ledger_domain=world.own, destination="far.example", due_at=now,
    )  # fmt: skip
    return message
