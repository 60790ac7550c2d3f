"""The recycle bin: deleted users and domains, brought back or removed for good (D-008)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import recyclebin
from accounts.models import Recycled
from api import finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out
from api.schema import page_of
from api.shapes import values_of
from domains.errors import Problem, ValuesRefused


class RecycledOut(Out):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Recycled.Kind.choices)
    name = serializers.CharField(help_text="The address, or the domain's name.")
    deleted_at = serializers.DateTimeField()
    deleted_by = serializers.CharField()
    purge_at = serializers.DateTimeField(help_text="From then on it is gone for good.")


class RestoredOut(Out):
    name = serializers.CharField()
    problems = serializers.ListField(
        child=serializers.CharField(), help_text="What could not be brought back with it."
    )


class RecycledFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=320, help_text="A part of the name.")
    kind = serializers.ChoiceField(choices=Recycled.Kind.choices, required=False)


class PurgeConfirmation(In):
    confirm = serializers.CharField(
        max_length=320, help_text="The item's name again: there is no way back (D-009)."
    )


class RecycleBin(Endpoint):
    scope = "recycle-bin"

    @extend_schema(
        parameters=[RecycledFilters], responses=page_of(RecycledOut), summary="List what is deleted"
    )
    def get(self, request: Request) -> Response:
        """Newest first: domains of yours, and users of domains in sight."""
        given = self.query(RecycledFilters)
        rows = recyclebin.recycled_for(actor_of(request))
        if "q" in given:
            rows = rows.filter(name__icontains=given["q"])
        if "kind" in given:
            rows = rows.filter(kind=given["kind"])
        return pagination.page(request, given, rows, key="-id", show=_shown)


class RecycledView(Endpoint):
    scope = "recycle-bin"

    @extend_schema(responses=RecycledOut, summary="Read what is deleted")
    def get(self, request: Request, key: int) -> Response:
        return Response(_shown(finding.one(recyclebin.recycled_for(actor_of(request)), key)))

    @extend_schema(parameters=[PurgeConfirmation], responses={204: None}, summary="Remove for good")
    def delete(self, request: Request, key: int) -> Response:
        """With all mail. It cannot be undone."""
        actor = actor_of(request)
        item = recyclebin.recycled_item(actor, finding.known(key))
        if self.query(PurgeConfirmation)["confirm"] != item.name:
            raise ValuesRefused((Problem("confirm", "must be the item's name"),))
        recyclebin.purge(item=item, by=actor)
        return Response(status=204)


class RecycledRestore(Endpoint):
    scope = "recycle-bin"

    @extend_schema(request=None, responses=RestoredOut, summary="Bring back")
    def post(self, request: Request, key: int) -> Response:
        """With its mail and all that it had. Limits and plans must have room for it."""
        actor = actor_of(request)
        item = recyclebin.recycled_item(actor, finding.known(key))
        problems = recyclebin.restore(item=item, by=actor)
        return Response({"name": item.name, "problems": list(problems)})


def _shown(item: Recycled) -> dict[str, Any]:
    names = ("kind", "name", "deleted_at", "deleted_by", "purge_at")
    return {"id": item.pk, **values_of(item, names)}


urlpatterns = [
    path("recycle-bin/", RecycleBin.as_view(), name="recycle-bin"),
    path("recycle-bin/<int:key>/", RecycledView.as_view(), name="recycled"),
    path("recycle-bin/<int:key>/restore/", RecycledRestore.as_view(), name="recycled-restore"),
]
