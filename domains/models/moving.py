"""A domain whose folder is being moved to another place just now."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class FolderMove(models.Model):
    """As long as the row is there the new place is taken, and the domain keeps its name (D-034).

    The area's own path says which of the two holds: what is at the other one goes in the end. The
    row outlives the domain, until what was brought is gone.
    """

    domain = models.OneToOneField(
        "domains.Domain",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        primary_key=True,
        related_name="folder_move",
    )
    area_id = models.BigIntegerField(null=True, help_text="None: it was begun by an older server.")
    old_path = models.CharField(max_length=1024)
    new_path = models.CharField(max_length=1024)
    job_id = models.BigIntegerField(null=True, help_text="None: a command does it.")
    begun_at = MomentField()

    def __str__(self) -> str:
        return f"{self.old_path}: {self.new_path}"
