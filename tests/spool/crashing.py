"""What a crash leaves of mail that was being accepted, and the start after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blobs.models import Area
from blobs.segment import SegmentWriter
from blobs.store import NewRecord, ensure_spool_area
from clock.moments import utc_now
from domains import directory as domain_directory
from protocols.address import Address
from spool import intake, maintenance, routing
from spool.acceptance import Acceptance
from spool.models import Origin
from spool.routing import Question
from tests.spool import outgoing
from tests.spool.outgoing import MESSAGE


def prepared(
    *recipients: str, sender: str = "alice@one.example", body: bytes = MESSAGE, **given: Any
) -> Acceptance:
    """What intake hands to the committer."""
    opened = intake.begin(
        sender=sender,
        origin=given.pop("origin", Origin.RELAY),
        client=intake.Client(address="192.0.2.7", greeting="pc.one.example"),
        domain=domain_directory.by_name(sender.rpartition("@")[2]),
        **given,
    )
    for recipient in recipients:
        address = Address.parse(recipient)
        question = Question(sender, may_relay=True)
        opened.add_recipient(address, routing.resolve(address, question))
    opened.write(body)
    return opened.prepare()


def crash(*acceptances: Acceptance, area: Area | None = None) -> Path:
    """What a process leaves that dies between the sync of these records and their COMMIT."""
    return crash_with(*[record for one in acceptances for record in one.records], area=area)


def crash_with(*records: NewRecord, area: Area | None = None) -> Path:
    writer = SegmentWriter(area or ensure_spool_area())
    writer.append(records)
    writer.sync()
    path = writer.segment.path
    writer.segment.close()
    return path


def start_again() -> None:
    outgoing.stop_committer()
    maintenance.recover(now=utc_now())
