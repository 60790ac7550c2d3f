"""Requests that may be sent again: the first answer is kept for a day and given again."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import secrets
from accounts.models import User
from api.errors import KeyReused, StillBeingAnswered
from api.models import IdempotentRequest
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT = timedelta(hours=24)
# A server that ended while it answered leaves its row: after this, whoever asks may try again.
ABANDONED = timedelta(minutes=5)
LONGEST_KEY = 255
_PURPOSE = "answer to an API request"


class Replay(Exception):
    """Not an error: the answer is there already."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


def begin(request: Request, user: User) -> IdempotentRequest | None:
    """The row to finish with the answer; None: nobody asked for it.

    Raises Replay with the kept answer, KeyReused, StillBeingAnswered, ValuesRefused.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable() or not key.isascii():
        raise ValuesRefused((Problem(HEADER, f"must be 1 to {LONGEST_KEY} printable characters"),))
    fingerprint = _fingerprint(request)
    now = utc_now()
    _forget_old(user, key, now)
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(
                user=user, key=key, fingerprint=fingerprint, created_at=now
            )
    except IntegrityError:
        pass
    row = IdempotentRequest.objects.filter(user=user, key=key).first()
    if row is None or (row.status is None and row.fingerprint == fingerprint):
        raise StillBeingAnswered(key)
    if row.fingerprint != fingerprint:
        raise KeyReused(key)
    raise Replay(_answer(row))


def finish(row: IdempotentRequest, response: Response) -> None:
    """Keep the rendered answer; one that says "later" is forgotten, so that it can be later."""
    if response.status_code >= 500 or response.status_code == 429:
        IdempotentRequest.objects.filter(pk=row.pk).delete()
        return
    IdempotentRequest.objects.filter(pk=row.pk).update(
        status=response.status_code,
        body=secrets.encrypt(_PURPOSE, response.content),
        content_type=response["Content-Type"] if response.has_header("Content-Type") else "",
    )


def forget(now: datetime) -> int:
    """Rows that are a day old; how many."""
    deleted, _ = IdempotentRequest.objects.filter(created_at__lt=now - KEPT).delete()
    return deleted


def _fingerprint(request: Request) -> str:
    body = request._request.body
    text = f"{request.method} {request.get_full_path()}\n".encode() + body
    return hashlib.sha256(text).hexdigest()


def _forget_old(user: User, key: str, now: datetime) -> None:
    rows = IdempotentRequest.objects.filter(user=user, key=key)
    rows.filter(created_at__lt=now - KEPT).delete()
    rows.filter(status=None, created_at__lt=now - ABANDONED).delete()


def _answer(row: IdempotentRequest) -> HttpResponse:
    body = secrets.decrypt(_PURPOSE, bytes(row.body))
    response = HttpResponse(body, status=row.status, content_type=row.content_type or None)
    response[REPLAYED] = "true"
    return response
