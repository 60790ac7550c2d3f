"""Giving a domain another name, after a rehearsal, and reading its folder anew (D-110…, D-013)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.permissions import Verb
from administration import renaming
from administration.reloadjob import start_reload
from administration.renamejob import start_rename
from administration.renaming import Rehearsal
from api import errors, etags, shapes
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Switch, Text
from api.v1.jobs import JobOut, job_shown
from domains import selectors as domain_selectors


class RenameIn(In):
    name = Text(max_length=253, help_text="The new name; letters of any script.")
    keep_old_name = Switch(
        required=False,
        default=True,
        help_text="As a domain alias, so that mail and log-ins with it go on to work (D-114).",
    )
    rehearse = Switch(
        required=False, default=False, help_text="Only say what would happen: nothing is changed."
    )


class ChangeOut(Out):
    what = serializers.CharField()
    count = serializers.IntegerField()


class RehearsalOut(Out):
    old_name = serializers.CharField()
    name = serializers.CharField(help_text="The new one, as an A-label.")
    keep_old_name = serializers.BooleanField()
    is_possible = serializers.BooleanField()
    conflicts = serializers.ListField(
        child=serializers.DictField(), help_text="What is in the way, each as a problem detail."
    )
    changes = ChangeOut(many=True)
    consequences = serializers.ListField(child=serializers.CharField(), help_text="In sentences.")
    records = serializers.ListField(
        child=serializers.CharField(), help_text="What must stand in the new name's DNS."
    )
    opened_by = serializers.ListField(
        child=serializers.CharField(), help_text="Foreign programs in the folder, if any is seen."
    )


RENAME = OpenApiExample(
    "See first what would happen",
    {"name": "new-shop.example", "keep_old_name": True, "rehearse": True},
    request_only=True,
)


class Rename(Endpoint):
    scope = "domains"

    @extend_schema(
        request=RenameIn,
        responses={200: RehearsalOut, 202: JobOut},
        examples=[RENAME],
        summary="Rename a domain",
    )
    def post(self, request: Request, name: str) -> Response:
        """With `rehearse` 200 tells everything that would change, conflicts and consequences.
        Else 202 with a job: ask `/jobs/ID/` until it is `done`. Renaming back, while the old name
        is kept, takes it back."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.RENAME_DOMAIN)
        domain_selectors.require_own_name(domain, name)
        given = self.read(RenameIn)
        etags.require_match(request, shapes.domain_shown(domain), is_needed=False)
        new, keeps_old = given["name"], given["keep_old_name"]
        if given["rehearse"]:
            return Response(_shown(renaming.rehearse(domain, name=new, keeps_old=keeps_old)))
        job = start_rename(domain=domain, name=new, keeps_old=keeps_old, by=actor)
        return Response(
            job_shown(job), status=202, headers={"Location": f"../../../jobs/{job.pk}/"}
        )


class Reload(Endpoint):
    scope = "domains"

    @extend_schema(request=None, responses={202: JobOut}, summary="Reload a domain")
    def post(self, request: Request, name: str) -> Response:
        """Reads its folder anew after something outside the server has changed it: 202 with a
        job, whose `result` says what was added, changed and expunged, and what was wrong."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.RENAME_DOMAIN)
        job = start_reload(domain=domain, by=actor)
        return Response(
            job_shown(job), status=202, headers={"Location": f"../../../jobs/{job.pk}/"}
        )


def _shown(told: Rehearsal) -> dict[str, Any]:
    return {
        "old_name": told.old,
        "name": told.new,
        "keep_old_name": told.keeps_old,
        "is_possible": not told.conflicts,
        "conflicts": [errors.problem(conflict) for conflict in told.conflicts],
        "changes": [{"what": change.what, "count": change.count} for change in told.changes],
        "consequences": list(told.consequences),
        "records": [record.line for record in told.records],
        "opened_by": list(told.opened_by),
    }


urlpatterns = [
    path("domains/<str:name>/rename/", Rename.as_view(), name="domain-rename"),
    path("domains/<str:name>/reload/", Reload.as_view(), name="domain-reload"),
]
