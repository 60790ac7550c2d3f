"""Tokens by which a certificate authority sees who rules a host. RFC 8555 §8.3."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from certificates.models import Challenge

# An authority asks within seconds; what an order left that never ended goes after an hour.
KEPT = timedelta(hours=1)
# RFC 8555 §8.3: the base64url alphabet; authorities use about 43 characters.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def offer(token: str, key_authorization: str, *, now: datetime) -> None:
    """Every web process answers it as soon as this returns."""
    Challenge.objects.update_or_create(
        token=token, defaults={"key_authorization": key_authorization, "created_at": now}
    )


def answer(token: str) -> str | None:
    """The key authorization; None: nobody offered this token."""
    if not is_token(token):
        return None
    found = Challenge.objects.filter(token=token).values_list("key_authorization", flat=True)
    return found.first()


def withdraw(token: str) -> None:
    Challenge.objects.filter(token=token).delete()


def forget_before(moment: datetime) -> None:
    Challenge.objects.filter(created_at__lt=moment).delete()
