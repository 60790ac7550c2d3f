"""A server whose commands are carried out by one process: each need not start Python anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT, RunningServer

_LISTENING = """
import contextlib, io, json, sys
import django
django.setup()
from django.core.management import CommandError, call_command
from django.db import connections
asked, answered = sys.stdin, sys.stdout
for line in asked:
    arguments, text = json.loads(line)
    sys.stdin, told, complained, code = io.StringIO(text), io.StringIO(), io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(told):
            call_command(*arguments, stdout=told, stderr=complained)
    except SystemExit as ended:
        code = ended.code or 0
    except CommandError as error:
        code = error.returncode
        complained.write(str(error))
    connections.close_all()
    print(json.dumps([code, told.getvalue(), complained.getvalue()]), file=answered, flush=True)
"""


class OperatedServer(RunningServer):
    """The commands, their exit codes and their words are those of `manage.py`."""

    def __init__(self, data: Path, **given: object) -> None:
        super().__init__(data, **given)  # type: ignore[arg-type]
        self._operator: subprocess.Popen[str] | None = None

    def manage(self, *arguments: str, text: str | None = None) -> str:
        if self._operator is None:
            self._operator = subprocess.Popen(
                [sys.executable, "-c", _LISTENING],
                env={**self.environment, "DJANGO_SETTINGS_MODULE": "mailhost.settings"},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._operator.stdin is not None and self._operator.stdout is not None
        self._operator.stdin.write(json.dumps([arguments, text or ""]) + "\n")
        self._operator.stdin.flush()
        code, told, complained = json.loads(self._operator.stdout.readline())
        if code:
            raise subprocess.CalledProcessError(
                code, arguments, told, complained
            ) from RuntimeError(told + complained)
        return str(told)

    def dismiss(self) -> None:
        """The operator goes home."""
        if self._operator is not None:
            self._operator.communicate()
            self._operator = None
