"""Areas and their directories."""

from __future__ import annotations

from functools import lru_cache
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
    """Where all new records go."""
    return ensure_area(SPOOL, path=SPOOL, kind=Area.Kind.SPOOL)


def new_body(content: bytes = b"") -> Body:
    """A body that spills beside the spool's segments. Asks no database."""
    return Body(_spool_directory(settings.MAILHOST_DATA), content)


@lru_cache(maxsize=1)
def _spool_directory(data: Path) -> Path:
    return data / SPOOL  # joining paths costs as much as all the rest of a small body
