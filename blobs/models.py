"""Where the bytes lie: areas hold segments, segments hold blobs."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blobs.ids import encode_id, new_id


class Area(models.Model):
    """A directory of segments with one owner: the spool, or one domain."""

    class Kind(models.TextChoices):
        SPOOL = "spool", "Spool"
        DOMAIN = "domain", "Domain"

    id = models.BigIntegerField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=255, unique=True)
    path = models.CharField(max_length=1024, help_text="Absolute, or below the data directory")
    kind = models.CharField(max_length=10, choices=Kind.choices)

    def __str__(self) -> str:
        return self.name

    @property
    def directory(self) -> Path:
        return Path(settings.MAILHOST_DATA) / self.path


class Segment(models.Model):
    """One append-only file of records, written by one process.

    `size_bytes` is what has been committed: bytes behind it in the file have never had a row.
    """

    id = models.BigIntegerField(primary_key=True, default=new_id, editable=False)
    area = models.ForeignKey(Area, on_delete=models.PROTECT, related_name="segments")
    size_bytes = models.BigIntegerField(default=0)
    live_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    sealed_at = models.DateTimeField(null=True, blank=True)  # from then on nothing is added
    emptied_at = models.DateTimeField(null=True, blank=True)  # removed a grace time later

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(live_bytes__gte=0), name="segment_live_bytes_gte_0"),
        ]

    def __str__(self) -> str:
        return encode_id(self.id)

    @property
    def path(self) -> Path:
        return self.area.directory / f"{encode_id(self.id)}.seg"


class Blob(models.Model):
    """One record in a segment, and how many rows of other rooms point at it."""

    id = models.BigIntegerField(primary_key=True, default=new_id, editable=False)
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="blobs")
    offset = models.BigIntegerField()
    length = models.BigIntegerField(help_text="Bytes of the whole record")
    size_bytes = models.BigIntegerField(help_text="Bytes of the body")
    digest = models.BinaryField(max_length=16, help_text="BLAKE2b of the body, 16 bytes")
    references = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(references__gte=0), name="blob_references_gte_0"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(references=0), name="blob_unreferenced"),
        ]

    def __str__(self) -> str:
        return encode_id(self.id)
