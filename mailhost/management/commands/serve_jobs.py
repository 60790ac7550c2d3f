"""manage.py serve_jobs: the workers of tasks and jobs, and their schedule."""

from __future__ import annotations

import signal
import threading
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs import periodic
from listeners import readiness
from mailhost import privileges


class Command(BaseCommand):
    help = "Runs what is done on a schedule, and long jobs."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        privileges.follow_supervisor()
        engine = import_module(settings.MAILHOST_JOBS_ENGINE)
        engine.declare_schedule(periodic.discover().values())
        stop = threading.Event()

        def ready() -> None:
            # Engines set handlers of their own as they start; these come after them.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            readiness.tell_ready()

        if not engine.serve(stop, ready):
            raise CommandError("the workers ended by themselves")
        readiness.tell_stopping()
