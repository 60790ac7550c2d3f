"""A domain that is getting another name just now."""

from __future__ import annotations

from django.db import models

from clock.fields import MomentField


class DomainRenaming(models.Model):
    """As long as the row is there the domain is closed: mail waits and nobody logs in (D-113).

    Both paths stand here so that after a crash the folder is found, wherever it is.
    """

    domain = models.OneToOneField(
        "domains.Domain", on_delete=models.CASCADE, primary_key=True, related_name="renaming"
    )
    name = models.CharField(max_length=253, help_text="The name that it is getting.")
    old_path = models.CharField(max_length=1024)
    new_path = models.CharField(max_length=1024)
    token = models.CharField(max_length=32, help_text="Whose work it is: another one's is over.")
    until = MomentField(help_text="Then whoever worked on it is taken for dead.")

    def __str__(self) -> str:
        return f"{self.domain}: {self.name}"
