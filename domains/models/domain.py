"""A hosted domain, and every name it answers to."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class Living(models.Manager["Domain"]):
    """Without what lies in the recycle bin."""

    def get_queryset(self) -> models.QuerySet[Domain]:
        return super().get_queryset().filter(recycled=None)


class Domain(models.Model):
    """What a hosting provider sells (D-032…D-036). Addresses refer to it by key, never by name."""

    name = models.CharField(
        max_length=253, help_text="The registered name, as an A-label (RFC 5890)."
    )
    unicode_name = models.CharField(max_length=253, help_text="The name as people read it.")
    listen_ip = models.GenericIPAddressField(
        null=True,
        blank=True,
        verbose_name="IP address",
        help_text="Where the domain accepts SMTP, POP and IMAP; empty: on every address.",
    )
    area = models.OneToOneField(
        "blobs.Area",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name="folder",
        help_text="The directory with everything the domain owns.",
    )
    list_command_address = models.CharField(
        max_length=64,
        default="listserv",
        help_text="The local part that receives mailing list commands.",
    )
    is_disabled = models.BooleanField(
        default=False, help_text="No mail in or out, no log-ins; nothing is deleted."
    )
    is_deleting = models.BooleanField(default=False, editable=False)
    created_at = MomentField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    recycled = models.BigIntegerField(
        null=True, editable=False, help_text="Its entry in the recycle bin; None: it lives."
    )

    objects = Living()
    everything = models.Manager["Domain"]()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(recycled=None), name="domain_name"
            ),
        ]

    def __str__(self) -> str:
        return self.unicode_name


class DomainAlias(models.Model):
    """A further name that behaves exactly like the domain's own (D-100)."""

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=253, unique=True, help_text="As an A-label.")
    unicode_name = models.CharField(max_length=253)
    created_at = MomentField(editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "domain aliases"

    def __str__(self) -> str:
        return self.unicode_name


class HostedName(models.Model):
    """Every name that leads to a domain of ours, primary or alias: unique over both (D-032)."""

    name = models.CharField(max_length=253, primary_key=True)
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="hosted_names")
    is_alias = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name
