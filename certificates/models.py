"""What is known of each certificate; keys never, they are files that only the server reads."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class Source(models.TextChoices):
    """Where a certificate comes from."""

    UPLOAD = "upload", "Uploaded"
    ACME = "acme", "Ordered by ACME"
    FILE = "file", "Placed in the folder"


class Certificate(models.Model):
    """The certificate of one host, or the wish for one that is still to be ordered (N-005).

    `host` is an A-label name, `*.example.com`, or "default". The PEM file is the truth; this row
    describes it and knows what is to be done about it.
    """

    host = models.CharField(max_length=255, unique=True)
    source = models.CharField(max_length=6, choices=Source.choices)
    issuer = models.CharField(max_length=200, blank=True)
    not_before = MomentField(null=True, help_text="None: there is none yet.")
    not_after = MomentField(null=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256, hexadecimal.")
    file_stamp = models.BigIntegerField(
        default=0, help_text="When the file was written, in nanoseconds, as the system has it."
    )
    directory_url = models.CharField(
        max_length=300, blank=True, help_text="The ACME server it is renewed by, if not the usual."
    )
    renew_at = MomentField(null=True, help_text="The next order; None: nothing is ordered.")
    failures = models.PositiveIntegerField(default=0, help_text="Orders that failed in a row.")
    last_error = models.CharField(max_length=500, blank=True)
    warned_days = models.SmallIntegerField(
        null=True, help_text="The last of 21, 7, 1, 0 days before its end that was warned of."
    )
    installed_at = MomentField(null=True)

    class Meta:
        ordering = ["host"]
        indexes = [models.Index(fields=["renew_at"], name="certificate_renew_at")]

    def __str__(self) -> str:
        return self.host


class Challenge(models.Model):
    """What a certificate authority will ask for by HTTP, answered by any web process."""

    token = models.CharField(primary_key=True, max_length=128)
    key_authorization = models.CharField(max_length=255)
    created_at = MomentField()

    def __str__(self) -> str:
        return self.token


class AcmeSettings(models.Model):
    """How certificates are ordered (RFC 8555). The one row has the key 1; no row: the defaults."""

    is_enabled = models.BooleanField(default=False, help_text="Order and renew certificates.")
    agrees_to_terms = models.BooleanField(
        default=False, help_text="The terms of the certificate authority are read and agreed to."
    )
    directory_url = models.CharField(
        max_length=300,
        default="https://acme-v02.api.letsencrypt.org/directory",
        help_text="The certificate authority's ACME directory.",
    )
    contact = models.CharField(
        max_length=254, blank=True, help_text="An address that the authority may write to."
    )

    class Meta:
        verbose_name = verbose_name_plural = "ACME settings"

    def __str__(self) -> str:
        return "ACME settings"
