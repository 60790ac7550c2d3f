"""The `mailboxes` app."""

from django.apps import AppConfig


class MailboxesConfig(AppConfig):
    name = "mailboxes"
    verbose_name = "Mailboxes"

    def ready(self) -> None:
        # Models can be imported only now.
        from accounts.closing import before_accounts_go
        from mailboxes.closing import give_up_accounts

        before_accounts_go(give_up_accounts)
