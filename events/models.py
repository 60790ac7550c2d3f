"""Who changed what, and what happened: rows that are only ever added to (X-005, E-010…)."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class AuditEntry(models.Model):
    """One change, append-only. Names are copied, so an entry outlives what it speaks of."""

    at = MomentField()
    actor_id = models.BigIntegerField(null=True, help_text="The account; None: the server itself.")
    actor = models.CharField(max_length=320)
    impersonated = models.CharField(max_length=320, blank=True, help_text="As whom, if another.")
    client_address = models.CharField(max_length=45, blank=True)
    verb = models.CharField(max_length=100)
    object_type = models.CharField(max_length=50)
    object_id = models.BigIntegerField(null=True)
    object_name = models.CharField(max_length=320)
    domain_id = models.BigIntegerField(
        null=True, help_text="Whose administrators may see it; None: the system's only."
    )
    changes = models.JSONField(default=dict, help_text="Field to [old, new]; secrets masked.")
    operation = models.CharField(
        max_length=32, blank=True, help_text="Entries made by one request have the same."
    )
    reason = models.CharField(max_length=300, blank=True)
    undoes = models.BigIntegerField(null=True, help_text="The entry that this one takes back.")

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["domain_id", "id"], name="audit_domain"),
            models.Index(fields=["actor_id", "id"], name="audit_actor"),
            models.Index(fields=["operation"], name="audit_operation"),
            models.Index(
                fields=["undoes"],
                condition=models.Q(undoes__isnull=False),
                name="audit_undoes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.object_name}"


class Occurrence(models.Model):
    """Something that happened and that rules may act on; written with the change that it is."""

    type = models.CharField(max_length=5, help_text="The event's number, such as E-024.")
    domain_id = models.BigIntegerField(null=True, help_text="None: it is about the whole server.")
    account_id = models.BigIntegerField(null=True, help_text="None: it is about no single user.")
    at = MomentField()
    facts = models.JSONField(default=dict, help_text="What texts and conditions may ask for.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["domain_id", "type"], name="occurrence_domain"),
            models.Index(fields=["at"], name="occurrence_at"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.at:%Y-%m-%d %H:%M:%S}"
