"""A file that is applied as on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.mailhost.applying import Run


@pytest.fixture
def apply(tmp_path: Path) -> Any:
    return lambda text, **options: Run(tmp_path / "site.yaml", text, **options)
