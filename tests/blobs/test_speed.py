"""What group commit costs: CPU of the whole process per small job, syncs included."""

import asyncio
import time

import pytest

from blobs.committer import Job
from blobs.ids import new_id
from blobs.store import Body, NewRecord

pytestmark = pytest.mark.bench


class Plain(Job):
    @staticmethod
    def write_rows(jobs, cursor):
        pass


@pytest.mark.parametrize(
    ("sessions", "total", "limit_us"), [(1, 300, 3_000), (10, 4_000, 400), (50, 20_000, 200)]
)
async def test_cpu_per_job(committer, area, sessions, total, limit_us):
    begun = 0

    async def session():
        nonlocal begun
        while begun < total:
            begun += 1
            body = Body(area, b"x" * 2_000)
            record = NewRecord(new_id(), b"m" * 80, b"f" * 200, body)
            await committer.commit(Plain(records=[record]))

    await session_once(committer)
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(session() for _ in range(sessions)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    cpu_us = cpu / total * 1e6
    print(f"{sessions} sessions: {total / wall:,.0f} jobs/s, {cpu_us:.0f} us CPU per job")
    # An idle machine needs a tenth to a quarter of this; a busy one doubles every figure.
    assert cpu_us < limit_us


async def session_once(committer):
    """Opens segment and connection, which is not measured."""
    await committer.commit(Plain())
