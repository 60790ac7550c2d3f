"""The server's settings, with a room of tasks for tests."""

from mailhost.settings import *  # noqa: F403
from mailhost.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.jobs.room"]
