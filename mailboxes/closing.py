"""What goes with an account: its folders and mail, with references and usage kept right."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.models import User
from mailboxes import folders, standard
from mailboxes.models import Folder


def give_up_accounts(account_ids: Sequence[int]) -> None:
    """Drop the mail of accounts in the transaction that deletes them.

    The rows of folders, subscriptions and usage go with the account itself.
    """
    domains = dict(User.everything.filter(pk__in=account_ids).values_list("pk", "domain_id"))
    owners = Folder.objects.filter(account_id__in=account_ids).order_by("pk")
    of_accounts = {account_id: domain_id or 0 for account_id, domain_id in domains.items()}
    folders.empty(list(owners.values_list("pk", flat=True)), domain_ids=of_accounts)
    for account_id in account_ids:
        standard.forget_inbox(account_id)
