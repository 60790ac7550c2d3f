"""The server's own settings on a data folder of this test process, gone when it ends."""

import os
import shutil
import tempfile
from pathlib import Path

os.environ["MAILHOST_DATA"] = tempfile.mkdtemp(prefix="mailhost-tests-")
# What a developer has set for a server of his own must not reach the tests.
for name in [name for name in os.environ if name.startswith("MAILHOST_")]:
    if name not in ("MAILHOST_DATA", "MAILHOST_DATABASE_URL"):
        del os.environ[name]

from mailhost.settings import *  # noqa: E402, F403
from mailhost.settings import DATABASES, MAILHOST_DATA  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Not in memory: threads have connections of their own, as in the server.
    DATABASES["default"]["NAME"] = str(Path(MAILHOST_DATA) / "test.sqlite3")

_owner = os.getpid()


def remove_data() -> None:
    """Called when pytest ends; forked children leave it alone."""
    if os.getpid() == _owner:
        shutil.rmtree(MAILHOST_DATA, ignore_errors=True)
