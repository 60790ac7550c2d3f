"""The one shape of the short lists about relaying: rows, each added, changed and removed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api import etags, finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out
from api.schema import page_of
from api.shapes import values_of


class Filters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=253, help_text="A part of it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortList:
    """`key`: the field that names a row; `order`: a unique one, in whose order rows come.

    `several`, `one`: what rows are called. `tells`: what there is to know, by "list", "add" and
    "remove". `add` takes `by` and what `new` allows, `change` row, values and `by`, `remove` row
    and `by`.
    """

    model: type[Model]
    several: str
    one: str
    key: str = "name"
    order: str = "name"
    new: type[In]
    changed: type[In]
    shown: type[Out]
    add: Callable[..., Any]
    change: Callable[..., Any]
    remove: Callable[..., None]
    tells: Mapping[str, str]
    examples: Sequence[OpenApiExample] = ()

    @property
    def rows(self) -> QuerySet[Any]:
        return self.model._default_manager.all()

    def show(self, row: Any) -> dict[str, Any]:
        return values_of(row, tuple(self.shown._declared_fields))


class _Listed(Endpoint):
    scope = "relaying"
    verb = Verb.MANAGE_SERVER
    short: ClassVar[ShortList]


class _Rows(_Listed):
    def get(self, request: Request) -> Response:
        given = self.query(Filters)
        rows = self.short.rows.filter(**{f"{self.short.key}__icontains": given.get("q", "")})
        return pagination.page(request, given, rows, key=self.short.order, show=self.short.show)

    def post(self, request: Request) -> Response:
        row = self.short.add(by=actor_of(request), **self.read(self.short.new))
        shown = self.short.show(row)
        return etags.tagged(shown, status=201, Location=f"{request.path}{row.pk}/")


class _Row(_Listed):
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(self.short.show(finding.one(self.short.rows, key)))

    def patch(self, request: Request, key: int) -> Response:
        given = self.read(self.short.changed)
        with transaction.atomic():
            row = finding.one(self.short.rows.select_for_update(), key)
            etags.require_match(request, self.short.show(row))
            row = self.short.change(row=row, values=given, by=actor_of(request))
        return etags.tagged(self.short.show(row))

    def delete(self, request: Request, key: int) -> Response:
        row = finding.one(self.short.rows, key)
        etags.require_match(request, self.short.show(row), is_needed=False)
        self.short.remove(row=row, by=actor_of(request))
        return Response(status=204)


def paths_of(short: ShortList, list_name: str, row_name: str) -> list[URLPattern]:
    """The list, its path and URL name the same, and its rows below."""
    name, shown, tells = short.model.__name__, short.shown, short.tells
    rows: type[Endpoint] = extend_schema_view(
        get=extend_schema(
            parameters=[Filters],
            responses=page_of(shown),
            summary=f"List {short.several}",
            description=tells.get("list"),
        ),
        post=extend_schema(
            request=short.new,
            responses={201: shown},
            examples=short.examples,
            summary=f"Add {short.one}",
            description=tells.get("add"),
        ),
    )(type(f"{name}s", (_Rows,), {"short": short}))
    row: type[Endpoint] = extend_schema_view(
        get=extend_schema(responses=shown, summary=f"Read {short.one}"),
        patch=extend_schema(request=short.changed, responses=shown, summary=f"Change {short.one}"),
        delete=extend_schema(
            responses={204: None}, summary=f"Remove {short.one}", description=tells.get("remove")
        ),
    )(type(f"{name}View", (_Row,), {"short": short}))
    return [
        path(f"{list_name}/", rows.as_view(), name=list_name),
        path(f"{list_name}/<int:key>/", row.as_view(), name=row_name),
    ]
