"""Log events as operators and programs read them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import logging, sys
import structlog
from mailhost import logs
logs.configure({"level": "info", "format": sys.argv[1]})
log = structlog.get_logger("x")
log.debug("not shown")
log.info("deferred", recipient="a@b", reply='450 "x"\\nlevel=forged', password="hunter2")
logging.getLogger("django.request").warning("Not found: %s", "/x\\ny")
try:
    secret = "hunter2"
    raise KeyError("gone")
except KeyError:
    log.exception("failed", message_body=b"hunter2")
"""


def lines(form):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, form],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MAILHOST_PART": "mail"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["auto", "logfmt"])
def test_elsewhere_than_on_a_terminal_each_event_is_one_line(form):
    deferred, not_found, failed = lines(form)
    assert deferred.split("Z ", 1)[1] == (
        'level=info part=mail event=deferred recipient=a@b reply="450 \\"x\\"\\nlevel=forged"'
        " password=[removed]"
    )
    assert "logger=django.request" in not_found
    assert "KeyError" in failed


def test_json_events_have_fields():
    deferred, not_found, _ = map(json.loads, lines("json"))
    assert deferred["recipient"] == "a@b" and deferred["part"] == "mail"
    assert not_found["event"] == "Not found: /x\ny" and not_found["level"] == "warning"


@pytest.mark.parametrize("form", ["logfmt", "json", "console"])
def test_passwords_bodies_and_local_variables_never_appear(form):
    text = "\n".join(lines(form))
    assert "failed" in text and "hunter2" not in text
