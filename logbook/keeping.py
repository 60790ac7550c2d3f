"""What becomes of old logs: compressed after a day, gone when they have been kept long enough."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import date, timedelta
from pathlib import Path

from logbook.kinds import Kind
from logbook.reading import days


def keep(folder: Path, *, today: date, keep_days: int | None, compress: bool) -> tuple[int, int]:
    """How many were compressed, and how many removed. `keep_days` None: for ever."""
    compressed = removed = 0
    for kind in Kind:
        for day in days(folder, kind):
            path = folder / kind / f"{day.isoformat()}.log"
            if keep_days is not None and day < today - timedelta(days=keep_days):
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}.gz").unlink(missing_ok=True)
                removed += 1
            # Of yesterday's, a last line may still be on its way.
            elif compress and day < today - timedelta(days=1) and path.exists():
                _compress(path)
                compressed += 1
    return compressed, removed


def _compress(path: Path) -> None:
    fresh = path.with_name(f".{path.name}.gz")
    with path.open("rb") as plain, fresh.open("wb") as out:
        os.fchmod(out.fileno(), 0o600)
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, filename="") as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    fresh.rename(path.with_name(f"{path.name}.gz"))
    path.unlink()
