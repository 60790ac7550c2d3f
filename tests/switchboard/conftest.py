"""A switchboard of its own for each test."""

import pytest

from switchboard import exchange


@pytest.fixture(autouse=True)
def run_directory(settings, tmp_path):
    """A directory of sockets that other tests do not see."""
    settings.MAILHOST_RUN = tmp_path / "run"
    exchange.reset()
    yield tmp_path / "run" / "switchboard"
    exchange.reset()
