"""Long work that goes on after its request: how far it is, how it ended, and how to stop it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.models import Role, User
from api import pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.schema import page_of
from jobs import selectors as job_selectors
from jobs import services
from jobs.errors import JobUnknown
from jobs.kinds import title_of
from jobs.models import Job, State


@extend_schema_field(OpenApiTypes.ANY)
class AnyResult(serializers.JSONField):
    """What the kind of job says."""


class JobOut(Out):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    done = serializers.IntegerField(help_text="Steps that are done.")
    total = serializers.IntegerField(allow_null=True, help_text="Of how many; null: not known.")
    words = serializers.CharField(allow_blank=True, help_text="What it is doing.")
    result = AnyResult(allow_null=True)
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
        return Response(job_shown(_job(actor_of(request), job_id)))


class JobCancel(Endpoint):
    scope = "jobs"

    @extend_schema(request=None, responses={202: JobOut}, summary="Cancel a job")
    def post(self, request: Request, job_id: int) -> Response:
        """It ends at its next step; what is done stays done."""
        actor = actor_of(request)
        job = services.cancel(_job(actor, job_id).pk, by=actor)
        return Response(job_shown(job), status=202)


def jobs_for(actor: User) -> QuerySet[Job]:
    """A system administrator's: all; else one's own, and those about domains in sight."""
    rows = job_selectors.jobs()
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    seen = selectors.domains_for(actor).values("pk")
    return rows.filter(Q(actor_id=actor.pk) | Q(domain_id__in=seen))


def _job(actor: User, job_id: int) -> Job:
    """Raises JobUnknown."""
    job = jobs_for(actor).filter(pk=job_id).first() if job_id < 2**63 else None
    if job is None:
        raise JobUnknown(job_id)
    return job


urlpatterns = [
    path("jobs/", Jobs.as_view(), name="jobs"),
    path("jobs/<int:job_id>/", JobView.as_view(), name="job"),
    path("jobs/<int:job_id>/cancel/", JobCancel.as_view(), name="job-cancel"),
]
