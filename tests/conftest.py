"""What every test stands on: a data directory of its own, and a database that threads share."""

import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import connections


def pytest_configure(config):
    data = Path(tempfile.mkdtemp(prefix="mailhost-test-"))
    config.mailhost_data = data
    settings.MAILHOST_DATA = data
    database = connections.databases["default"]
    if database["ENGINE"].endswith("sqlite3"):
        # In a file: SQLite's database in memory knows no waiting for another thread's lock.
        database["TEST"]["NAME"] = str(data / "test.sqlite3")


def pytest_unconfigure(config):
    shutil.rmtree(config.mailhost_data, ignore_errors=True)
