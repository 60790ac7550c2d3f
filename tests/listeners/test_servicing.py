"""What a process says of its services before it is told ready."""

from __future__ import annotations

import asyncio
import os

import pytest

from blobs.committer import stop_process_committer
from clock.moments import utc_now
from listeners.servicing import ServedSpool, Servicing
from operations import connections, servicestate
from operations.models import Service, ServiceState
from spool.manager import Manager
from switchboard.subscribe import Switchboard

PROCESS = 17


@pytest.mark.spec("M-001")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_process_has_said_how_its_services_stand_when_it_is_told_ready(is_wanted):
    ServiceState.objects.create(
        service=Service.SPOOL.value, is_wanted=is_wanted, changed_at=utc_now()
    )
    connections.enter(process_id=PROCESS, node=0, pid=os.getpid(), now=utc_now())

    async def begin():
        board = Switchboard()
        await Servicing(board, [ServedSpool(Manager(board))], PROCESS).begin()

    try:
        asyncio.run(begin())
    finally:
        stop_process_committer(20)
    [spool] = [one for one in servicestate.standings() if one.service == Service.SPOOL.value]
    assert spool.reason == ""
    assert spool.has_followed and [one.pid for one in spool.processes] == [os.getpid()]
