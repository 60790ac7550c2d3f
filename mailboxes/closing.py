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
    users = User.everything.filter(pk__in=account_ids).order_by("pk")
    domains = {account_id: key or 0 for account_id, key in users.values_list("pk", "domain_id")}
    emptied = _folders_of(account_ids)
    folders.empty(sorted(emptied), domain_ids=domains)
    # An account's first mail makes its folders and holds the account's row meanwhile: waited for
    # here, with folders locked before accounts as delivery does it, and then looked for again.
    list(users.select_for_update().values_list("pk"))
    folders.empty(sorted(_folders_of(account_ids) - emptied), domain_ids=domains)
    for account_id in account_ids:
        standard.forget_inbox(account_id)


def _folders_of(account_ids: Sequence[int]) -> set[int]:
    return set(Folder.objects.filter(account_id__in=account_ids).values_list("pk", flat=True))
