"""The table of local parts in use: taken and freed with what they lead to, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction

from accounts.errors import LocalPartTaken
from accounts.models import LocalPart
from domains.models import Domain

Kind = LocalPart.Kind


def require_free(domain: Domain, local_parts: list[str]) -> None:
    """Raises LocalPartTaken, for the first of them that is in use or comes twice."""
    taken = LocalPart.objects.filter(domain=domain, local_part__in=local_parts).first()
    if taken is not None:
        raise LocalPartTaken(taken.local_part, str(taken.get_kind_display()).lower())
    seen: set[str] = set()
    for local_part in local_parts:
        if local_part in seen:
            raise LocalPartTaken(local_part)
        seen.add(local_part)


def take(domain: Domain, kind: LocalPart.Kind, owners: Mapping[str, int]) -> None:
    """Enter local parts, each with the key of what it leads to. Raises LocalPartTaken."""
    try:
        with transaction.atomic():
            LocalPart.objects.bulk_create(
                LocalPart(domain=domain, local_part=local_part, kind=kind, object_id=key)
                for local_part, key in owners.items()
            )
    except IntegrityError:
        raise LocalPartTaken(", ".join(owners)) from None


def free(kind: LocalPart.Kind, keys: list[int]) -> None:
    LocalPart.objects.filter(kind=kind, object_id__in=keys).delete()
