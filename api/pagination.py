"""Lists page by page: each page begins behind the last row of the one before."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import IntegerField, Model, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.fields import In
from domains.errors import Problem, ValuesRefused

M = TypeVar("M", bound=Model)

LARGEST = 200
USUAL = 50


class Paged(In):
    """The parameters of every list."""

    after = serializers.CharField(
        required=False, max_length=600, help_text="Where to go on; taken from `next`, opaque."
    )
    size = serializers.IntegerField(
        required=False, default=USUAL, min_value=1, max_value=LARGEST, help_text="Rows of a page."
    )
    count = serializers.BooleanField(
        required=False, default=False, help_text="Also say how many rows there are: slower."
    )


def page(
    request: Request,
    given: dict[str, Any],
    rows: QuerySet[M],
    *,
    key: str,
    show: Callable[[M], Any],
    prepare: Callable[[list[M]], object] | None = None,
) -> Response:
    """One page of `rows` in the order of `key`, a unique field; "-" before it: largest first.

    `prepare` sees all rows of the page before the first is shown. Raises ValuesRefused.
    """
    body: dict[str, Any] = {}
    if given["count"]:
        body["total"] = rows.order_by().count()
    field, is_descending = key.removeprefix("-"), key.startswith("-")
    if "after" in given:
        last = _decode(given["after"], _kind_of(rows, field))
        rows = rows.filter(**{f"{field}__{'lt' if is_descending else 'gt'}": last})
    found = list(rows.order_by(key)[: given["size"] + 1])
    shown, more = found[: given["size"]], found[given["size"] :]
    if prepare is not None:
        prepare(shown)
    following = _next(request, getattr(shown[-1], field)) if more else None
    return Response({"items": [show(row) for row in shown], "next": following, **body})


def _next(request: Request, last: Any) -> str:
    text = json.dumps(last).encode()
    parameters = request.GET.dict() | {"after": base64.urlsafe_b64encode(text).decode()}
    return f"{request.path}?{urlencode(parameters)}"


def _kind_of(rows: QuerySet[Any], field: str) -> type[int] | type[str]:
    return int if isinstance(rows.model._meta.get_field(field), IntegerField) else str


def _decode(cursor: str, kind: type[int] | type[str]) -> int | str:
    """Raises ValuesRefused."""
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error, RecursionError):
        value = None
    is_text = isinstance(value, str) and value.isprintable()
    is_number = type(value) is int and abs(value) < 2**63
    if type(value) is not kind or not (is_text or is_number):
        raise ValuesRefused((Problem("after", "is not the `next` of a page"),))
    return value
