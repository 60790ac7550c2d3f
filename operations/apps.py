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
        # Models can be imported only now.
        from accounts import watching
        from operations import abuse, blocks

        watching.after_failed_login(
            lambda login, service, address: abuse.login_failed(address, service, login)
        )
        watching.before_login(blocks.is_barred)
