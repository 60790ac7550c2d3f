"""Who uses how much space (R-003, R-015, R-021)."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.functions import Coalesce

from accounts.models import User
from domains.models import Domain
from mailboxes.models import Folder


def users(rows: QuerySet[User]) -> QuerySet[User]:
    """With `used_bytes` and `held_messages` of each."""
    return rows.annotate(
        used_bytes=Coalesce(F("usage__bytes"), 0, output_field=BigIntegerField()),
        held_messages=Coalesce(F("usage__messages"), 0, output_field=BigIntegerField()),
    )


def domains(rows: QuerySet[Domain]) -> QuerySet[Domain]:
    """With `used_bytes`, `held_messages` and `allowed_mb` (0: no limit) of each."""
    return rows.annotate(
        used_bytes=Coalesce(F("usage__bytes"), 0, output_field=BigIntegerField()),
        held_messages=Coalesce(F("usage__messages"), 0, output_field=BigIntegerField()),
        allowed_mb=F("domainlimits__disk_space_mb"),
    )


def folders(account: User) -> QuerySet[Folder]:
    """Of one user, the largest first."""
    return Folder.objects.filter(account=account).order_by("-bytes", "name")
