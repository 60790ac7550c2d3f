"""How people of all domains log in: one row, changed at run time (N-006, N-012, U-014)."""

from __future__ import annotations

from django.db import models


class ClearTextLogin(models.TextChoices):
    """Where a password may cross the wire unencrypted (N-006)."""

    ALLOW = "allow", "Everywhere"
    LOOPBACK = "loopback", "Only from loopback"
    NEVER = "never", "Never"


class LoginSettings(models.Model):
    """The one row has the key 1; no row: the defaults."""

    clear_text_login = models.CharField(
        max_length=8, choices=ClearTextLogin.choices, default=ClearTextLogin.LOOPBACK
    )
    cram_md5 = models.BooleanField(
        default=True,
        help_text="Offer CRAM-MD5 and keep what it needs, encrypted: to who has the server's key"
        " that is as good as the password.",
    )
    minimum_password_length = models.PositiveSmallIntegerField(default=10)
    refuse_common_passwords = models.BooleanField(default=True)
    second_factor_for_system_administrators = models.BooleanField(
        default=False,
        help_text="System administrators see no other page before they have a second factor.",
    )
    administrators_may_impersonate = models.BooleanField(
        default=False,
        help_text="Domain administrators may log in as the ordinary users of their domain.",
    )
    impersonators_may_read_mail = models.BooleanField(
        default=True, help_text="Off: who is logged in as another does not see the other's mail."
    )
    impersonation_needs_reason = models.BooleanField(
        default=False, help_text="Nobody logs in as another without saying why."
    )

    class Meta:
        verbose_name = verbose_name_plural = "login settings"

    def __str__(self) -> str:
        return "Login settings"
