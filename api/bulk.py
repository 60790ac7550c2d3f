"""Many rows in one request: each is done or refused by itself, and each is reported (X-006)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rest_framework import serializers
from rest_framework.response import Response

from api import errors
from api.errors import BROKEN
from api.fields import Out
from api.schema import Problem

T = TypeVar("T")

MOST_ROWS = 200


class RowResult(Out):
    row = serializers.IntegerField(help_text="Which row of the request, from 0.")
    name = serializers.CharField()
    status = serializers.IntegerField(help_text="What the row alone would have been answered.")
    problem = Problem(required=False, help_text="Only where it was refused.")


class BulkResult(Out):
    """How each row went; the answer is 207 whatever the rows are."""

    done = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = RowResult(many=True)


def each(
    rows: Sequence[T], act: Callable[[T], object], *, name: Callable[[T], str], status: int = 200
) -> dict[str, Any]:
    """Act on every row; a refusal does not stop the rest. A fault of ours does."""
    results: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        result: dict[str, Any] = {"row": number, "name": name(row), "status": status}
        try:
            act(row)
        except Exception as error:
            kind = errors.kind_of(error)
            if kind is BROKEN:
                raise
            result |= {"status": kind.status, "problem": errors.problem(error)}
        results.append(result)
    refused = sum("problem" in result for result in results)
    return {"done": len(results) - refused, "refused": refused, "results": results}


def respond(body: dict[str, Any]) -> Response:
    return Response(body, status=207)
