"""Another house by whose word people log in, and who is who there."""

from __future__ import annotations

from django.db import models

from accounts.secrets import SealedField
from clock.fields import MomentField


class LoginProvider(models.Model):
    """The one row has the key 1; no row: nobody logs in that way."""

    is_enabled = models.BooleanField(
        default=False, help_text="Offer it on the log-in page, beside name and password."
    )
    name = models.CharField(max_length=60, blank=True, help_text="As people call it: Log in with …")
    issuer = models.CharField(
        max_length=300,
        blank=True,
        help_text="The provider's address, https://…, without /.well-known/openid-configuration.",
    )
    client_id = models.CharField(
        max_length=200, blank=True, help_text="As which this server is registered there."
    )
    sealed_secret = SealedField(purpose="login provider", default=b"", editable=False)
    trusts_second_factor = models.BooleanField(
        default=False,
        help_text="Who has shown a second factor there is not asked for one here.",
    )

    def __str__(self) -> str:
        return self.name or self.issuer or "Log-in provider"


class LinkedIdentity(models.Model):
    """A user of ours is that subject of that issuer: bound once, never by address again."""

    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="linked_identities"
    )
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    address = models.CharField(max_length=320, blank=True, help_text="By which it was found.")
    linked_at = MomentField()
    used_at = MomentField(null=True)

    class Meta:
        verbose_name_plural = "linked identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_user_of_subject"),
            models.UniqueConstraint(fields=["user", "issuer"], name="one_subject_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"
