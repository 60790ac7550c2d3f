"""The audit trail: who changed what, from where, and taking it back (X-005)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role, User
from administration import selectors, undo
from api import finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.schema import page_of
from events.models import AuditEntry


@extend_schema_field(OpenApiTypes.OBJECT)
class Changes(serializers.JSONField):
    """Field to [old, new]; secrets are masked."""


class AuditOut(Out):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    impersonated = serializers.CharField(allow_blank=True)
    client_address = serializers.CharField(allow_blank=True, help_text="Of your own entries.")
    verb = serializers.CharField()
    object_type = serializers.CharField()
    object_name = serializers.CharField(allow_blank=True)
    changes = Changes()
    operation = serializers.CharField(allow_blank=True, help_text="What is undone together.")
    reason = serializers.CharField(allow_blank=True)


class OperationUndoneOut(Out):
    undone = serializers.IntegerField(help_text="Entries.")
    operation = serializers.CharField(help_text="Undo that one to have it back.")


class AuditFilters(pagination.Paged):
    q = serializers.CharField(
        required=False, max_length=200, help_text="Words; `actor:`, `object:`, `verb:`, `since:`…"
    )


class Audit(Endpoint):
    scope = "audit"

    @extend_schema(parameters=[AuditFilters], responses=page_of(AuditOut), summary="List changes")
    def get(self, request: Request) -> Response:
        """Newest first: your own, and those about domains in sight."""
        given, actor = self.query(AuditFilters), actor_of(request)
        rows = selectors.audit_for(actor)
        if "q" in given:
            rows = rows.filter(selectors.matching(given["q"]))
        return pagination.page(
            request, given, rows, key="-id", show=lambda entry: _shown(entry, actor)
        )


class AuditUndo(Endpoint):
    scope = "audit"

    @extend_schema(request=None, responses=OperationUndoneOut, summary="Undo a change")
    def post(self, request: Request, key: int) -> Response:
        """With all entries that one request has made, or none of them."""
        actor = actor_of(request)
        entry = finding.one(selectors.audit_for(actor), key)
        done = undo.undo(selectors.operation_for(actor, entry=entry.pk), by=actor)
        return Response({"undone": len(done.entries), "operation": done.operation})


def _shown(entry: AuditEntry, actor: User) -> dict[str, Any]:
    is_known = actor.role == Role.SYSTEM_ADMINISTRATOR or entry.actor_id == actor.pk
    return {
        "id": entry.pk,
        "at": entry.at,
        "actor": entry.actor,
        "impersonated": entry.impersonated,
        # From where the provider's people work is none of a customer's business.
        "client_address": entry.client_address if is_known else "",
        "verb": entry.verb,
        "object_type": entry.object_type,
        "object_name": entry.object_name,
        "changes": entry.changes,
        "operation": entry.operation,
        "reason": entry.reason,
    }


urlpatterns = [
    path("audit/", Audit.as_view(), name="audit"),
    path("audit/<int:key>/undo/", AuditUndo.as_view(), name="audit-undo"),
]
