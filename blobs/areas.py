"""Areas and their directories."""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import count
from pathlib import Path

from django.conf import settings

from blobs.body import Body
from blobs.models import Area
from blobs.segment import sync_directory

SPOOL = "spool"  # both the area's name and its directory


def ensure_area(name: str, *, path: str, kind: Area.Kind) -> Area:
    """The area of that name, made with its directory if there is none yet."""
    area, _ = Area.objects.get_or_create(name=name, defaults={"path": path, "kind": kind})
    area.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    sync_directory(area.directory.parent)
    return area


def ensure_spool_area() -> Area:
    """The spool's own directory; segments go here while there are no subspools."""
    return ensure_area(SPOOL, path=SPOOL, kind=Area.Kind.SPOOL)


def spread_spool(subspools: int) -> None:
    """From the next segment on, use that many directories below the spool in turn (S-046).

    0: the spool's own directory. A subspool may be a mount point or a link to another volume.
    """
    global _subspools
    _subspools = subspools


def next_spool_area() -> Area:
    """Where the next segment of new records goes."""
    if not _subspools:
        return ensure_spool_area()
    path = f"{SPOOL}/{next(_turns) % _subspools + 1:02d}"
    return ensure_area(path, path=path, kind=Area.Kind.SPOOL)


_subspools = 0
# Processes begin at different places: several small servers' first segments do not share one.
_turns = count(os.getpid())


def new_body(content: bytes = b"") -> Body:
    """A body that spills beside the spool's segments. Asks no database."""
    return Body(_spool_directory(settings.MAILHOST_DATA), content)


@lru_cache(maxsize=1)
def _spool_directory(data: Path) -> Path:
    return data / SPOOL  # joining paths costs as much as all the rest of a small body
