"""The `messaging` app."""

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Messaging"

    def ready(self) -> None:
        # Models can be imported only now.
        from administration.renaming import when_renamed
        from messaging.renaming import follow

        when_renamed(follow)
