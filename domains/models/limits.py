"""The Limits tab: ceilings with their units; 0 means none (D-080…D-091)."""

from __future__ import annotations

from domains.models.tab import Tab, ceiling


class DomainLimits(Tab):
    disk_space_mb = ceiling(500, "Megabytes for all mail and files of the domain.")
    domain_aliases = ceiling(2, "Further names of the domain.")
    users = ceiling(100, "Mailboxes, disabled ones and administrators included.")
    user_aliases = ceiling(1000, "Addresses that lead to other accounts.")
    mailing_lists = ceiling(0, "Mailing lists.")
    pop_retrieval_accounts = ceiling(10, "External POP3 accounts for each user.")
    imap_retrieval_accounts = ceiling(10, "External IMAP accounts for each user.")
    max_message_size_kb = ceiling(10_000, "Kilobytes of the largest message a user may send.")
    recipients_per_message = ceiling(200, "Recipients that one message may have.")

    class Meta:
        verbose_name = verbose_name_plural = "limits"
