"""A person who may log in: the owner of a mailbox, or an administrator without one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q

from accounts.secrets import SealedField
from clock.fields import MomentField


class Role(models.TextChoices):
    """U-001…U-004."""

    SYSTEM_ADMINISTRATOR = "system", "System administrator"
    RESELLER = "reseller", "Reseller"
    DOMAIN_ADMINISTRATOR = "domain", "Domain administrator"
    USER = "user", "User"


class Status(models.TextChoices):
    """U-016."""

    ENABLED = "enabled", "Enabled"
    DISABLED = "disabled", "Disabled"
    DISABLED_RECEIVING = "receiving", "Disabled, but receiving"


class Users(BaseUserManager["User"]):
    """Looks users up by the name they log in with; the recycle bin is left out."""

    def get_queryset(self) -> models.QuerySet[User]:
        return super().get_queryset().filter(recycled=None)

    def get_by_natural_key(self, username: str | None) -> User:
        local_part, _, domain = (username or "").lower().rpartition("@")
        if not local_part:
            return self.get(domain=None, local_part=domain)
        return self.get(domain__hosted_names__name=domain, local_part=local_part)


class User(AbstractBaseUser):
    """`domain` is None for system administrators and resellers, who have no mailbox."""

    domain = models.ForeignKey(
        "domains.Domain", null=True, blank=True, on_delete=models.CASCADE, related_name="users"
    )
    local_part = models.CharField(max_length=64, verbose_name="username")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.USER)
    is_primary_administrator = models.BooleanField(
        default=False, help_text="Gets the domain's warnings and is who a provider logs in as."
    )
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.ENABLED)
    full_name = models.CharField(max_length=200, blank=True)
    reply_to = models.CharField(max_length=320, blank=True)
    time_zone = models.CharField(max_length=50, default="UTC")
    language = models.CharField(max_length=10, default="en")

    # What the address list tells of a user besides his name and address (N-053).
    job_title = models.CharField(max_length=128, blank=True)
    company = models.CharField(max_length=128, blank=True)
    department = models.CharField(max_length=128, blank=True)
    telephone = models.CharField(max_length=64, blank=True)
    mobile = models.CharField(max_length=64, blank=True)
    street = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)

    # N-012: one verifier for each way to prove a password. `password` is Argon2id (Django's form).
    scram_salt = models.BinaryField(max_length=32, default=b"", editable=False)
    scram_iterations = models.PositiveIntegerField(default=0, editable=False)
    scram_stored_key = models.BinaryField(max_length=32, default=b"", editable=False)
    scram_server_key = models.BinaryField(max_length=32, default=b"", editable=False)
    cram_md5_state = SealedField(
        purpose="cram-md5 state",
        max_length=200,
        default=b"",
        editable=False,
        help_text="The HMAC-MD5 inner and outer state, encrypted with the server key.",
    )
    password_changed_at = MomentField(null=True, editable=False)
    password_locked = models.BooleanField(default=False, help_text="The user cannot change it.")
    must_change_password = models.BooleanField(default=False)

    mailbox_size_mb = models.PositiveIntegerField(
        default=0, help_text="Megabytes; 0 means that only the domain's limit holds."
    )
    hide_from_address_list = models.BooleanField(default=False)
    opts_out_of_address_list = models.BooleanField(
        default=False,
        help_text="The user's own wish to be left out of the address list; it counts as long as"
        " the domain lets its users choose.",
    )
    disable_greylisting = models.BooleanField(default=False)
    plus_addressing = models.BooleanField(
        default=True, help_text="Mail to name+detail reaches this mailbox."
    )
    # U-036; addresses in their normal form.
    forward_to = models.JSONField(
        default=list,
        blank=True,
        help_text="Where all mail is sent on to: whole addresses, or user names of the domain.",
    )
    keep_forwarded = models.BooleanField(
        default=True, help_text="What is sent on stays in the mailbox, too."
    )
    pop_access = models.BooleanField(default=True)
    imap_access = models.BooleanField(default=True)
    smtp_access = models.BooleanField(default=True)
    webmail_access = models.BooleanField(default=True)

    # T-011; 0 means no limit.
    outgoing_messages_per_hour = models.PositiveIntegerField(default=5_000)
    outgoing_messages_per_hour_enabled = models.BooleanField(default=False)
    outgoing_bandwidth_mb_per_hour = models.PositiveIntegerField(default=100)
    outgoing_bandwidth_mb_per_hour_enabled = models.BooleanField(default=False)
    bounces_received_per_hour = models.PositiveIntegerField(default=1_000)
    bounces_received_per_hour_enabled = models.BooleanField(default=False)

    created_at = MomentField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    recycled = models.BigIntegerField(
        null=True, editable=False, help_text="The entry in the recycle bin; None: the user lives."
    )

    objects = Users()
    everything = models.Manager["User"]()

    # Set on the instance behind a window of an impersonation: disabled users are examined, too.
    is_impersonated = False

    USERNAME_FIELD = "local_part"
    REQUIRED_FIELDS = []

    class Meta:
        ordering = ["domain_id", "local_part"]
        indexes = [
            # Counted by itself: that somebody lies in the recycle bin stands in the index, too.
            models.Index(fields=["domain", "recycled"], name="user_counted"),
            # Who was made before a day and never came is found without reading rows; `recycled`
            # stands in it because SQLite would look there for what the condition says already.
            models.Index(
                fields=["domain", "created_at", "recycled"],
                condition=Q(recycled=None),
                name="user_made",
            ),
            # The admin's list of a status, in its order.
            models.Index(
                fields=["status", "domain", "local_part"],
                condition=Q(recycled=None),
                name="user_by_status",
            ),
            # The search box looks for the beginning of a name in all domains.
            models.Index(
                fields=["local_part"], name="user_by_name", opclasses=["varchar_pattern_ops"]
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["domain", "local_part"],
                condition=Q(recycled=None),
                name="user_in_domain",
            ),
            models.UniqueConstraint(
                fields=["local_part"], condition=Q(domain=None), name="user_without_domain"
            ),
            models.UniqueConstraint(
                fields=["domain"],
                condition=Q(is_primary_administrator=True),
                name="one_primary_administrator",
            ),
            models.CheckConstraint(
                condition=Q(domain=None, role__in=["system", "reseller"])
                | Q(domain__isnull=False, role__in=["domain", "user"]),
                name="role_fits_domain",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain.unicode_name}" if self.domain else self.local_part

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        is_enabled = self.status == Status.ENABLED and not (self.domain and self.domain.is_disabled)
        return is_enabled or self.is_impersonated

    @property
    def is_superuser(self) -> bool:
        return self.role == Role.SYSTEM_ADMINISTRATOR

    # The Django admin's door is for system administrators alone.
    is_staff = is_superuser

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.is_active and self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_superuser


class AppPassword(models.Model):
    """A password for one program of a user, with its own scopes (U-015)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="app_passwords")
    name = models.CharField(max_length=100)
    password = models.CharField(max_length=200)
    cram_md5_state = SealedField(
        purpose="cram-md5 state", max_length=200, default=b"", editable=False
    )
    scopes = models.JSONField(default=list, help_text="smtp, imap, pop, ldap, dav; empty: all.")
    created_at = MomentField(editable=False)
    last_used_at = MomentField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="app_password_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class LastActivity(models.Model):
    """When, where and by which service a user last logged in (U-019); at most once a minute."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="last_activity"
    )
    at = MomentField()
    service = models.CharField(max_length=10)
    client_address = models.CharField(max_length=45, blank=True)

    class Meta:
        verbose_name_plural = "last activities"
        indexes = [models.Index(fields=["at"], name="last_activity_at")]

    def __str__(self) -> str:
        return f"{self.user} by {self.service}"
