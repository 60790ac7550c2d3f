"""The `mailinglists` app."""

from importlib import import_module

from django.apps import AppConfig


class MailinglistsConfig(AppConfig):
    name = "mailinglists"
    verbose_name = "Mailing lists"

    def ready(self) -> None:
        import_module("mailinglists.closing")
        import_module("mailinglists.manifest")
        from accounts.identity import lists_are_written_for_by
        from mailinglists import directory

        lists_are_written_for_by(directory.moderators)
