"""The `retrieval` app."""

from importlib import import_module

from django.apps import AppConfig


class RetrievalConfig(AppConfig):
    name = "retrieval"
    verbose_name = "Retrieval"

    def ready(self) -> None:
        import_module("retrieval.undoing")
