"""What crashes have left of messages whose acceptance was cut off (S-058)."""

from __future__ import annotations

from django.db import models

from blobs.ids import encode_id
from clock.fields import MomentField


class LostState(models.TextChoices):
    """What is done about a record in `lost+found`."""

    WAITING = "waiting", "Waits to be put into the spool"
    NEEDLESS = "needless", "Not needed: nothing is missing without it"
    KEPT = "kept", "Kept for the operator to look at"
    REQUEUED = "requeued", "Put into the spool"
    DELETED = "deleted", "Deleted by an operator"


class LostRecord(models.Model):
    """One record in `lost+found`; it goes with its file when traces of its time go.

    The key is the blob's id, or that of the segment for bytes that are no sound record.
    """

    id = models.BigIntegerField(primary_key=True)
    area = models.ForeignKey("blobs.Area", on_delete=models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=40)
    offset = models.BigIntegerField()
    length = models.BigIntegerField(help_text="Bytes of the whole record.")
    size_bytes = models.PositiveBigIntegerField(help_text="Bytes of the message.")
    found_at = MomentField()
    written_at = MomentField(null=True, help_text="When it was handed in; None: nobody knows.")
    origin = models.CharField(max_length=10, blank=True)
    sender = models.CharField(max_length=330, blank=True)
    recipients = models.JSONField(default=list, help_text="As RCPT TO said.")
    message_id = models.CharField(max_length=250, blank=True, help_text="Message-ID, no brackets.")
    state = models.CharField(
        max_length=8, choices=LostState.choices, default=LostState.WAITING, db_index=True
    )
    reason = models.CharField(max_length=500, blank=True, help_text="Why it is as it is.")
    spooled_id = models.BigIntegerField(null=True, help_text="The message that it became.")

    def __str__(self) -> str:
        return encode_id(self.id)
