"""The `reports` app."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        if not settings.IS_MAIL_PART:
            import_module("reports.renaming")
        # Nobody undoes anything in the parts that show no pages.
        if not settings.IS_TRIMMED:
            import_module("reports.undoing")
