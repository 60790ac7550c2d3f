"""Durable notes: what a process finds by itself when the hint was lost."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Change(models.Model):
    """A note kept in the transaction that caused it."""

    id = models.BigAutoField(primary_key=True)
    topic = models.SmallIntegerField()
    key = models.BigIntegerField()
    payload = models.BinaryField(default=b"")
    # PostgreSQL's number of the writing transaction: rows become visible in another order than
    # that of their ids. SQLite has one writer at a time, so there it is 0.
    writer = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["writer", "id"], name="change_order")]

    def __str__(self) -> str:
        return f"{self.topic}:{self.key}"
