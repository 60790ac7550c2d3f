"""The audit trail: who changed what, from where, and taking it back (X-005)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from administration import selectors, undo, undojob
from administration.errors import Conflict, NothingToUndo
from api import finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Switch, Text
from api.schema import page_of
from api.v1 import jobs
from api.v1.jobs import JobOut
from events import audit
from events.models import AuditEntry
from jobs.models import Job

# Trying it out takes as long as undoing.
MOST_REHEARSED = 50


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
            rows = rows.filter(selectors.matching(given["q"], of=actor))
        return pagination.page(
            request, given, rows, key="-id", show=lambda entry: _shown(entry, actor)
        )


class ConflictOut(Out):
    entry = serializers.IntegerField()
    what = serializers.CharField()
    reason = serializers.CharField()


class OperationOut(Out):
    """One request's changes, which are undone together."""

    operation = serializers.CharField(allow_blank=True)
    entries = serializers.IntegerField(help_text="Of the operation, as far as you see it.")
    items = AuditOut(many=True, help_text="The first of them.")
    can_undo = serializers.BooleanField(allow_null=True, help_text="Null: too many to try it out.")
    conflicts = ConflictOut(many=True, help_text="What is in the way of undoing it now.")


class AuditUndoIn(In):
    skip_conflicts = Switch(
        required=False, default=False, help_text="Undo the rest, leave what has moved on."
    )
    reason = Text(required=False, default="", allow_blank=True, max_length=audit.LONGEST_REASON)


class AuditOperation(Endpoint):
    scope = "audit"

    @extend_schema(
        responses=OperationOut, summary="Read an operation, and whether it can be undone"
    )
    def get(self, request: Request, key: int) -> Response:
        """All that one request changed; undoing it is tried out, and nothing is changed."""
        actor = actor_of(request)
        entry = finding.one(selectors.audit_for(actor), key)
        entries = selectors.operation_for(actor, entry=entry.pk)
        can_undo, conflicts = _rehearsed(entries, actor)
        return Response(
            {
                "operation": entry.operation,
                "entries": len(entries),
                "items": [_shown(one, actor) for one in entries[: pagination.LARGEST]],
                "can_undo": can_undo,
                "conflicts": [
                    {"entry": one.entry_id, "what": one.what, "reason": one.reason}
                    for one in conflicts
                ],
            }
        )


class AuditUndo(Endpoint):
    scope = "audit"

    @extend_schema(
        request=AuditUndoIn,
        responses={200: OperationUndoneOut, 202: JobOut},
        summary="Undo a change",
    )
    def post(self, request: Request, key: int) -> Response:
        """With all entries that one request has made, or none of them.

        More than 200 of them: 202 with a job, whose `result` says how many are `undone`, how many
        were `refused`, and why the first of these.
        """
        actor = actor_of(request)
        entry = finding.one(selectors.audit_for(actor), key)
        given = self.read(AuditUndoIn)
        entries = selectors.operation_for(actor, entry=entry.pk)
        done = undojob.undo_or_start(entries, by=actor, **given)
        if isinstance(done, Job):
            return jobs.accepted(done)
        return Response({"undone": len(done.entries), "operation": done.operation})


def _rehearsed(entries: list[AuditEntry], actor: User) -> tuple[bool | None, tuple[Conflict, ...]]:
    if len(entries) > MOST_REHEARSED:
        return None, ()
    try:
        conflicts = undo.rehearse(entries, by=actor)
    except NothingToUndo:
        return False, ()
    return not conflicts, conflicts


def _shown(entry: AuditEntry, actor: User) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "at": entry.at,
        "actor": entry.actor,
        "impersonated": entry.impersonated,
        "client_address": entry.client_address if selectors.may_know_origin(actor, entry) else "",
        "verb": entry.verb,
        "object_type": entry.object_type,
        "object_name": entry.object_name,
        "changes": entry.changes,
        "operation": entry.operation,
        "reason": entry.reason,
    }


urlpatterns = [
    path("audit/", Audit.as_view(), name="audit"),
    path("audit/<int:key>/", AuditOperation.as_view(), name="audit-operation"),
    path("audit/<int:key>/undo/", AuditUndo.as_view(), name="audit-undo"),
]
