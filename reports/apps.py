"""The `reports` app."""

from importlib import import_module

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = "Reports"

    def ready(self) -> None:
        import_module("reports.renaming")
        import_module("reports.undoing")
