"""People who talk to a listener, and what it allows them."""

from __future__ import annotations

import pytest

from blobs.committer import stop_process_committer
from operations import settings as operations_settings
from operations.models import ListenerSettings
from tests.listeners.world import build_world


@pytest.fixture
def world(transactional_db):
    yield build_world()
    stop_process_committer(20)


@pytest.fixture
def limits(world):
    """Changes the listeners' settings: `limits(message_size_mb=1)`."""

    def change(**values):
        ListenerSettings.objects.update_or_create(pk=1, defaults=values)
        operations_settings.forget()
        operations_settings.current()

    return change
