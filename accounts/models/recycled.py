"""What was deleted and can still be brought back."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class Recycled(models.Model):
    """A deleted user or domain. The rows and the mail stay, out of everybody's sight, until
    `purge_at`; what had to go at once stands in `kept`.
    """

    class Kind(models.TextChoices):
        USER = "user", "User"
        DOMAIN = "domain", "Domain"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    object_id = models.BigIntegerField(help_text="The key of the user or domain.")
    name = models.CharField(max_length=320, help_text="The address, or the domain's name.")
    domain_id = models.BigIntegerField(help_text="Whose administrators may restore a user.")
    reseller_id = models.BigIntegerField(null=True, help_text="Whose domain it was.")
    deleted_at = MomentField()
    deleted_by = models.CharField(max_length=320)
    purge_at = MomentField()
    kept = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "recycle bin"
        indexes = [
            models.Index(fields=["purge_at"], name="recycled_purge"),
            models.Index(fields=["kind", "object_id"], name="recycled_object"),
        ]

    def __str__(self) -> str:
        return self.name


class DeletionSettings(models.Model):
    """The one row has the key 1; no row: the defaults."""

    recycle_days = models.PositiveSmallIntegerField(
        default=14,
        help_text="How long deleted users and domains can be restored; 0: they go at once.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "deletion settings"

    def __str__(self) -> str:
        return "Deletion settings"
