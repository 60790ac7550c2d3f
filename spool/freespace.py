"""The room that is left for mail, against the operator's floor (S-057)."""

from __future__ import annotations

import time

from django.conf import settings as conf

from blobs import space
from blobs.space import Floor, FreeSpace
from spool import settings
from spool.settings import SpoolPolicy

LASTING_SECONDS = 1.0

# (when it was asked, for which settings, the answer): once a second is often enough to be in
# time, and asking costs as much as a command when the disk is busy.
_latest: tuple[float, SpoolPolicy, bool] | None = None


def free_space(policy: SpoolPolicy | None = None) -> FreeSpace:
    """As it is now; below its floor new mail is refused. None: by the settings that now apply."""
    return space.free_space(conf.MAILHOST_DATA, floor(policy))


def floor(policy: SpoolPolicy | None = None) -> Floor:
    """None: of the settings that now apply."""
    policy = policy or settings.current()
    return Floor(policy.free_space_floor_bytes, policy.free_space_floor_percent / 100)


def is_low(policy: SpoolPolicy) -> bool:
    """Whether new mail is to be refused; at most a second old."""
    global _latest
    now = time.monotonic()
    if _latest is None or now - _latest[0] > LASTING_SECONDS or _latest[1] is not policy:
        _latest = now, policy, free_space(policy).is_low
    return _latest[2]
