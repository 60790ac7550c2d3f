"""The short form of the scripted day; the long one: `python -m tests.day.run`."""

from __future__ import annotations

import pytest

from tests.day.customers import FAILED, HANDED_OVER
from tests.day.judging import DELIVERED
from tests.day.run import live
from tests.day.script import Length


@pytest.mark.spec("S-001", "S-002")
@pytest.mark.timeout(900)
def test_a_day_of_troubles_ends_with_an_even_ledger_and_a_reason_for_every_message(
    tmp_path, own_database
):
    # Several processes share the spool where the database can be shared by them.
    processes = 2 if own_database else 1
    ends = live(tmp_path, Length(), database_url=own_database, processes=processes)
    assert min(ends[end] for end in (DELIVERED, HANDED_OVER, FAILED)) > 0
