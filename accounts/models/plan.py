"""What a reseller may use, and which domains are his (U-004, X-011)."""

from __future__ import annotations

from django.db import models


class Plan(models.Model):
    """Caps; 0 means none. They win over the limits of a domain (D-081)."""

    name = models.CharField(max_length=100, unique=True)
    domains = models.PositiveIntegerField(default=0)
    users = models.PositiveIntegerField(default=0, help_text="Over all domains together.")
    users_per_domain = models.PositiveIntegerField(default=0)
    disk_space_mb = models.PositiveIntegerField(default=0, help_text="Over all domains together.")
    mailing_lists = models.PositiveIntegerField(default=0)
    withheld_features = models.JSONField(default=list, help_text="Names of the Features tab.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CapSettings(models.Model):
    """The same over everything that this server hosts. The one row has the key 1; no row: none."""

    domains = models.PositiveIntegerField(default=0, help_text="Domains that the server hosts.")
    users = models.PositiveIntegerField(default=0, help_text="Users of all domains together.")
    disk_space_mb = models.PositiveIntegerField(
        default=0, help_text="Megabytes for the mail of all domains together."
    )
    mailing_lists = models.PositiveIntegerField(
        default=0, help_text="Mailing lists of all domains together."
    )
    withheld_features = models.JSONField(
        default=list, blank=True, help_text="Features that no domain has, whatever its switches."
    )

    class Meta:
        verbose_name = verbose_name_plural = "caps of the server"

    def __str__(self) -> str:
        return "Caps of the server"


class ResellerPlan(models.Model):
    """The plan a reseller is on."""

    reseller = models.OneToOneField(
        "accounts.User", on_delete=models.CASCADE, primary_key=True, related_name="reseller_plan"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.reseller}: {self.plan}"


class DomainOwnership(models.Model):
    """Which reseller a domain belongs to; no row: the provider itself."""

    domain = models.OneToOneField(
        "domains.Domain", on_delete=models.CASCADE, primary_key=True, related_name="ownership"
    )
    reseller = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="owned")

    def __str__(self) -> str:
        return f"{self.domain}: {self.reseller}"
