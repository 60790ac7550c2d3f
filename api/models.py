"""What the API keeps: tokens, answers to be given again, web hooks and what goes to them."""

from __future__ import annotations

from django.db import models

from accounts.secrets import SealedField
from clock.fields import MomentField


class ApiToken(models.Model):
    """A key of one user for one program. The key itself is told once; its digest stays."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256.")
    hint = models.CharField(max_length=12, editable=False, help_text="How the key begins.")
    scopes = models.JSONField(default=list, help_text="Such as domains:read; `*` means all.")
    requests_per_minute = models.PositiveIntegerField(default=600)
    created_at = MomentField(editable=False)
    expires_at = MomentField(null=True, blank=True, help_text="None: it does not expire.")
    last_used_at = MomentField(null=True, editable=False)
    last_used_from = models.CharField(max_length=45, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="api_token_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…) of {self.user}"


class IdempotentRequest(models.Model):
    """A request with an Idempotency-Key, and its answer for whoever asks again."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True, help_text="None: still being answered.")
    body = SealedField(
        purpose="answer to an API request",
        default=b"",
        editable=False,
        help_text="Sealed: it may tell secrets.",
    )
    content_type = models.CharField(max_length=100, blank=True)
    created_at = MomentField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotent_request_age")]

    def __str__(self) -> str:
        return self.key


class Webhook(models.Model):
    """An address that is told what changes in sight of its owner."""

    owner = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=2000)
    topics = models.JSONField(default=list, help_text="Empty: all.")
    secret = SealedField(
        purpose="secret of a web hook", max_length=200, editable=False, help_text="Sealed."
    )
    is_enabled = models.BooleanField(default=True)
    created_at = MomentField(editable=False)
    read_until = MomentField(editable=False, help_text="What is older has been looked at.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One event on its way to one web hook."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.CharField(max_length=60)
    payload = models.JSONField(default=dict)
    created_at = MomentField()
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = MomentField(null=True, help_text="None: no further attempt.")
    delivered_at = MomentField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event_id"], name="webhook_event"),
        ]
        indexes = [models.Index(fields=["due_at"], name="webhook_delivery_due")]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.webhook}"
