"""What proves a person besides the password, and where he is logged in by browser (U-015)."""

from __future__ import annotations

from django.db import models

from accounts.secrets import SealedField
from clock.fields import MomentField


class AuthenticatorKind(models.TextChoices):
    TOTP = "totp", "Authenticator app"
    PASSKEY = "passkey", "Passkey"


class Authenticator(models.Model):
    """An app that shows codes, or a passkey."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=7, choices=AuthenticatorKind.choices)
    name = models.CharField(max_length=100)
    credential_id = models.CharField(
        max_length=1400, blank=True, editable=False, help_text="Of a passkey: base64url."
    )
    secret = SealedField(
        purpose="second factor",
        editable=False,
        help_text="Encrypted with the server key: TOTP's, or a passkey's public part.",
    )
    counter = models.BigIntegerField(
        default=-1, editable=False, help_text="The last step used, or a passkey's signature count."
    )
    created_at = MomentField(editable=False)
    last_used_at = MomentField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="authenticator_name"),
            models.UniqueConstraint(
                fields=["credential_id"],
                condition=~models.Q(credential_id=""),
                name="authenticator_credential",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class RecoveryCode(models.Model):
    """Passes once, when everything else is lost; only its hash is kept."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    code_hash = models.CharField(max_length=64, editable=False)

    def __str__(self) -> str:
        return f"recovery code of {self.user}"


class SecondFactorFailures(models.Model):
    """Wrong codes in a row: the wait before the next try grows with them."""

    user = models.OneToOneField(
        "accounts.User", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    count = models.PositiveIntegerField(default=0)
    at = MomentField()

    class Meta:
        verbose_name_plural = "second factor failures"

    def __str__(self) -> str:
        return f"{self.count} of {self.user}"


class WebSession(models.Model):
    """A browser in which somebody is logged in."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    started_at = MomentField()
    seen_at = MomentField(help_text="Its last page, to a few minutes.")
    client_address = models.CharField(max_length=45, blank=True)
    program = models.CharField(
        max_length=200, blank=True, help_text="What the browser calls itself."
    )

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.user} from {self.client_address}"
