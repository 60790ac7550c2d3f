"""Who is logged in as whom just now, and closing such a window from outside (U-060, M-020)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import impersonation
from accounts.errors import NotPermitted
from accounts.models import Impersonation, Role, User
from accounts.permissions import Verb
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.shapes import values_of
from clock.moments import utc_now


class ImpersonationOut(Out):
    id = serializers.IntegerField()
    subject = serializers.CharField(help_text="The address of whom somebody is logged in as.")
    by = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    is_read_only = serializers.BooleanField()
    entered_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(help_text="The last page, to the minute.")
    may_end = serializers.BooleanField(help_text="Your own, or you are a system administrator.")


class ImpersonationsOut(Out):
    items = ImpersonationOut(many=True)


class Impersonations(Endpoint):
    scope = "connections"

    @extend_schema(responses=ImpersonationsOut, summary="List who is logged in as another")
    def get(self, request: Request) -> Response:
        """Oldest first: your own windows, and those of users in sight."""
        actor = _administrator(request)
        rows = impersonation.visible_to(actor, now=utc_now())
        return Response({"items": [_shown(row, actor) for row in rows]})


class ImpersonationView(Endpoint):
    scope = "connections"

    @extend_schema(responses={204: None}, summary="End an impersonation")
    def delete(self, request: Request, key: int) -> Response:
        """Its window closes with the next page that is asked for."""
        impersonation.end_for(_administrator(request), key, now=utc_now())
        return Response(status=204)


def _administrator(request: Request) -> User:
    """Raises NotPermitted."""
    actor = actor_of(request)
    if actor.role == Role.USER:
        raise NotPermitted(Verb.VIEW)
    return actor


def _shown(row: Impersonation, actor: User) -> dict[str, Any]:
    return {
        "id": row.pk,
        "subject": str(row.subject),
        "by": str(row.by),
        **values_of(row, ("reason", "is_read_only", "entered_at", "seen_at")),
        "may_end": impersonation.may_end(actor, row),
    }


urlpatterns = [
    path("connections/impersonations/", Impersonations.as_view(), name="impersonations"),
    path(
        "connections/impersonations/<int:key>/", ImpersonationView.as_view(), name="impersonation"
    ),
]
