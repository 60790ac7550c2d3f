"""Long work that goes on after its request: how far it is, how it ended, and how to stop it."""

from __future__ import annotations

from typing import Any

from django.urls import path, reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration.selectors import job_for, jobs_for
from api import pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.schema import page_of
from jobs import services
from jobs.kinds import title_of
from jobs.models import Job, State


@extend_schema_field(OpenApiTypes.ANY)
class AnyResult(serializers.JSONField):
    """What the kind of job says."""


class NoteOut(Out):
    at = serializers.DateTimeField()
    words = serializers.CharField(allow_blank=True)


class JobOut(Out):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    done = serializers.IntegerField(help_text="Steps that are done.")
    total = serializers.IntegerField(allow_null=True, help_text="Of how many; null: not known.")
    words = serializers.CharField(allow_blank=True, help_text="What it is doing.")
    result = AnyResult(allow_null=True)
    notes = NoteOut(many=True, help_text="Its log.")
    actor = serializers.CharField(help_text="Who asked for it.")
    has_failed = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


def job_shown(job: Job) -> dict[str, Any]:
    return {
        "id": job.pk,
        "kind": job.kind,
        "title": title_of(job.kind),
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "words": job.words,
        "result": job.result,
        "notes": [{"at": at, "words": words} for at, words in job.notes],
        "actor": job.actor,
        # Not the error: it has a traceback, which is for the operator's panel.
        "has_failed": job.state == State.FAILED,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


class JobFilters(pagination.Paged):
    state = serializers.ChoiceField(choices=State.choices, required=False)


class Jobs(Endpoint):
    scope = "jobs"

    @extend_schema(parameters=[JobFilters], responses=page_of(JobOut), summary="List jobs")
    def get(self, request: Request) -> Response:
        """Newest first: your own and those of domains in sight."""
        given = self.query(JobFilters)
        rows = jobs_for(actor_of(request))
        if "state" in given:
            rows = rows.filter(state=given["state"])
        return pagination.page(request, given, rows, key="-id", show=job_shown)


class JobView(Endpoint):
    scope = "jobs"

    @extend_schema(responses=JobOut, summary="Read a job")
    def get(self, request: Request, job_id: int) -> Response:
        """Ask again until `state` is `done`, `failed` or `cancelled`."""
        return Response(job_shown(job_for(actor_of(request), job_id)))


class JobCancel(Endpoint):
    scope = "jobs"

    @extend_schema(request=None, responses={202: JobOut}, summary="Cancel a job")
    def post(self, request: Request, job_id: int) -> Response:
        """It ends at its next step; what is done stays done."""
        actor = actor_of(request)
        job = services.cancel(job_for(actor, job_id).pk, by=actor)
        return Response(job_shown(job), status=202)


def accepted(job: Job) -> Response:
    """What was asked for goes on behind the answer."""
    place = reverse("api:job", args=(job.pk,))
    return Response(job_shown(job), status=202, headers={"Location": place})


urlpatterns = [
    path("jobs/", Jobs.as_view(), name="jobs"),
    path("jobs/<int:job_id>/", JobView.as_view(), name="job"),
    path("jobs/<int:job_id>/cancel/", JobCancel.as_view(), name="job-cancel"),
]
