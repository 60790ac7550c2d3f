"""The `messaging` app."""

from django.apps import AppConfig
from django.conf import settings


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"

    def ready(self) -> None:
        if settings.IS_MAIL_PART:
            return  # nothing is renamed there, and it stays small
        # Models can be imported only now.
        from administration.renaming import when_renamed
        from messaging.renaming import follow

        when_renamed(follow)
