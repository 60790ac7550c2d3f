"""A process that commits records as fast as it can and says which are acknowledged.

Started by test_crash.py and killed at any moment. Each line on stdout: blob id, seed of the body.
"""

import asyncio
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.db import connections

SESSIONS = 20


def body_for(seed: int) -> bytes:
    return f"{seed} ".encode() * (1 + seed * 7919 % 3_000)


def use_database(data: str, name: str) -> None:
    settings.MAILHOST_DATA = Path(data)
    connections.databases["default"]["NAME"] = name
    django.setup()


async def write(area_name: str, first: int) -> None:
    from blobs.committer import Committer, Job
    from blobs.ids import new_id
    from blobs.models import Area
    from blobs.store import Body, NewRecord

    class Plain(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            pass

    area = await Area.objects.aget(name=area_name)
    committer = Committer(area)

    async def session(number: int) -> None:
        seed = first + number
        while True:
            body = Body(area, body_for(seed))
            record = NewRecord(new_id(), b"%d" % seed, b"", body)
            await committer.commit(Plain(records=[record]))
            os.write(1, f"{record.blob_id} {seed}\n".encode())
            seed += SESSIONS

    await asyncio.gather(*(session(n) for n in range(SESSIONS)))


if __name__ == "__main__":
    use_database(sys.argv[1], sys.argv[2])
    asyncio.run(write(sys.argv[3], int(sys.argv[4])))
