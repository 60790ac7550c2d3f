"""Where folders of domains may go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.disks import other_disk


@pytest.fixture(params=["same disk", "another disk"])
def disk(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A directory below which folders of domains may be."""
    with other_disk() as other:
        place = tmp_path / "disk" if request.param == "same disk" else other
        settings.MAILHOST_DOMAIN_ROOTS = [str(place)]
        yield place


@pytest.fixture
def other(settings: Any) -> Iterator[Path]:
    with other_disk() as folder:
        settings.MAILHOST_DOMAIN_ROOTS = [str(folder)]
        yield folder
