"""How log events look: for people on a terminal, as key=value or JSON lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from logbook.kinds import Kind
from logbook.writer import BOOK

FORMATS = ("auto", "console", "logfmt", "json")
LEVELS = ("debug", "info", "warning", "error")
LONGEST_VALUE = 2_000  # characters
_SECRET = ("password", "passphrase", "secret", "credential", "authorization", "token", "body")


def configure(settings: Mapping[str, str]) -> None:
    """Django's LOGGING_CONFIG: structlog and the standard library write alike, to stderr."""
    level = getattr(logging, settings["level"].upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_part,
        without_secrets,
        keep_errors,
    ]
    last = _renderer(settings["format"])
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=max(level, logging.INFO), handlers=[output], force=True)
    for name in ("django", "django.server"):  # Django gives these outputs of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("asyncio", "_granian", "django-q"):  # they tell of every start
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderer(chosen: str) -> list[Processor]:
    if chosen == "auto":
        chosen = "console" if sys.stderr.isatty() else "logfmt"
    if chosen == "console":
        plain = structlog.dev.plain_traceback  # the fancy one shows local variables: secrets too
        return [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    first: Processor = structlog.processors.format_exc_info
    if chosen == "json":
        return [first, structlog.processors.JSONRenderer(default=str)]
    return [
        first,
        structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "part", "event"], drop_missing=True
        ),
    ]


def add_part(_: Any, __: str, event: EventDict) -> EventDict:
    """Say which part of the server speaks, where the supervisor has named it."""
    part = os.environ.get("MAILHOST_PART")
    if part:
        event.setdefault("part", part)
    return event


def keep_errors(_: Any, __: str, event: EventDict) -> EventDict:
    """Errors also go to the log for people; a traceback's last words stand for it."""
    if event.get("level") in ("error", "critical"):
        fields = ", ".join(
            f"{key}={value}"
            for key, value in event.items()
            if key not in ("event", "level", "timestamp", "exc_info", "part")
            and not key.startswith("_")
        )
        error = sys.exc_info()[1] if event.get("exc_info") else None
        reason = f": {type(error).__name__}: {error}" if error is not None else ""
        BOOK.note(Kind.ERRORS, f"{event.get('event')}{reason}{f' ({fields})' if fields else ''}")
    return event


def without_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    """Nothing that opens a door and no mail gets into a log, however it was passed."""
    for key, value in event.items():
        if any(word in key.lower() for word in _SECRET) and not isinstance(value, int | float):
            event[key] = "[removed]"
        elif isinstance(value, bytes):
            event[key] = value[:LONGEST_VALUE].decode("utf-8", "backslashreplace")
        elif isinstance(value, str) and len(value) > LONGEST_VALUE:
            event[key] = value[:LONGEST_VALUE] + "…"
    return event
