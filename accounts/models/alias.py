"""One address, many targets; and every local part that is taken in a domain."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clock.fields import MomentField

CATCH_ALL = "*"


class UserAlias(models.Model):
    """An address without mailbox (U-030). The local part `*` is the domain's catch-all (U-034)."""

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="+")
    local_part = models.CharField(max_length=64)
    internal_only = models.BooleanField(
        default=False, help_text="Only senders of the same domain may write to it."
    )
    may_send_as = models.BooleanField(default=True, help_text="Its users may send as this address.")
    in_address_list = models.BooleanField(default=True)
    takes_reports = models.BooleanField(
        default=False,
        help_text="A catch-all's: mail without a sender, which is what reports are, comes in, too.",
    )
    created_at = MomentField(editable=False)

    class Meta:
        verbose_name_plural = "user aliases"
        ordering = ["domain_id", "local_part"]
        constraints = [
            models.UniqueConstraint(fields=["domain", "local_part"], name="alias_in_domain"),
        ]

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain.unicode_name}"


class AliasTarget(models.Model):
    """Where an alias leads: an account of ours by key, or any other address by name."""

    alias = models.ForeignKey(UserAlias, on_delete=models.CASCADE, related_name="targets")
    account = models.ForeignKey(
        "accounts.User", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    local_part = models.CharField(max_length=64, blank=True)
    domain_name = models.CharField(max_length=253, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alias", "account"],
                condition=Q(account__isnull=False),
                name="alias_target_account",
            ),
            models.UniqueConstraint(
                fields=["alias", "local_part", "domain_name"],
                condition=Q(account=None),
                name="alias_target_address",
            ),
            models.CheckConstraint(
                condition=Q(account__isnull=False, local_part="", domain_name="")
                | Q(account=None) & ~Q(local_part="") & ~Q(domain_name=""),
                name="alias_target_is_one_thing",
            ),
        ]
        indexes = [
            models.Index(
                fields=["local_part", "domain_name"],
                condition=Q(account=None),
                name="alias_target_by_name",
            ),
        ]

    def __str__(self) -> str:
        return str(self.account) if self.account else f"{self.local_part}@{self.domain_name}"


class LocalPart(models.Model):
    """Every local part in use in a domain, whatever it leads to: unique over all kinds (U-011)."""

    class Kind(models.TextChoices):
        USER = "user", "User"
        ALIAS = "alias", "User alias"
        LIST = "list", "Mailing list"
        COMMAND = "command", "List command address"

    domain = models.ForeignKey("domains.Domain", on_delete=models.CASCADE, related_name="+")
    local_part = models.CharField(max_length=64)
    kind = models.CharField(max_length=7, choices=Kind.choices)
    object_id = models.BigIntegerField(help_text="The user, alias, list or domain it leads to.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "local_part"], name="local_part_in_domain"),
        ]
        indexes = [models.Index(fields=["kind", "object_id"], name="local_part_object")]

    def __str__(self) -> str:
        return f"{self.local_part} ({self.kind})"
