"""The `operations` app."""

from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from logbook.writer import BOOK


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        BOOK.open(Path(settings.MAILHOST_DATA) / "logs")
