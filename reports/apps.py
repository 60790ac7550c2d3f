"""The `reports` app."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        # The mail process renames nothing and takes nothing back.
        if not settings.IS_MAIL_PART:
            import_module("reports.renaming")
            import_module("reports.undoing")
