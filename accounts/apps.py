"""The `accounts` app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        # Models can be imported only now.
        from accounts import caps
        from domains import switches

        switches.withholds("plan", caps.withheld_by_plan)
        switches.withholds("server", caps.withheld_by_server)
