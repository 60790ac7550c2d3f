"""manage.py serve_jobs: the workers of tasks and jobs, and their schedule."""

from __future__ import annotations

import os
import signal
from functools import partial
from importlib import import_module
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs import periodic, progress, tasks
from jobs.stopping import Stop
from listeners import readiness
from mailhost import privileges

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Runs what is done on a schedule, and long jobs."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        privileges.follow_supervisor()
        engine = import_module(settings.MAILHOST_JOBS_ENGINE)
        engine.declare_schedule(periodic.discover().values())
        progress.renew()
        stop = Stop()

        def when_ready() -> None:
            # Engines set handlers of their own on the way.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            readiness.give_back_memory()
            readiness.tell_ready()
            _take_up()

        in_worker = partial(privileges.follow, os.getpid())
        if not engine.serve(stop, when_ready=when_ready, in_worker=in_worker):
            raise CommandError("the workers ended by themselves")
        readiness.tell_stopping()


def _take_up() -> None:
    """What was interrupted by the end of the last run need not wait for the minute."""
    try:
        tasks.run_jobs.enqueue()
    except Exception:  # a broker that is away, such as one that starts with this server
        log.warning("the queue takes nothing yet")
