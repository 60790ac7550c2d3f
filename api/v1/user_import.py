"""Users from a CSV file: what would happen, and doing it by a job (U-024)."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, usercsv, userimport
from accounts.permissions import Verb
from accounts.tasks import import_users
from accounts.usercsv import FileRefused
from accounts.userimport import Existing, Fate, Preview
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, In, Out, Switch, Text
from api.v1 import jobs
from api.v1.jobs import JobOut
from jobs import services as job_services

MOST_REFUSED = 1000


class UserImportIn(In):
    csv = Text(
        max_length=usercsv.LARGEST_FILE_BYTES,
        help_text=f"The first line names columns of {', '.join(usercsv.COLUMNS)}.",
    )
    existing = Choice(
        choices=[one.value for one in Existing],
        required=False,
        default=Existing.LEAVE.value,
        help_text="What becomes of users who are there already.",
    )
    is_rehearsal = Switch(required=False, default=False, help_text="Change nothing.")


class RefusedLineOut(Out):
    line = serializers.IntegerField(help_text="In the file, from 1.")
    name = serializers.CharField(allow_blank=True)
    reasons = serializers.ListField(child=serializers.CharField())


class ImportRehearsalOut(Out):
    adding = serializers.IntegerField()
    changing = serializers.IntegerField()
    leaving = serializers.IntegerField()
    refused = serializers.IntegerField()
    room = serializers.IntegerField(
        allow_null=True, help_text="How many users the domain may still get; null: no limit."
    )
    results = RefusedLineOut(many=True, help_text="The first that would be refused.")


CSV = OpenApiExample(
    "Two users",
    {"csv": "username,password,full_name\nann,four plain words please,Ann Example\nbob,,Bob\n"},
    request_only=True,
)


class UserImport(Endpoint):
    scope = "users"

    @extend_schema(
        request=UserImportIn,
        responses={200: ImportRehearsalOut, 202: JobOut},
        examples=[CSV],
        summary="Import users from CSV",
    )
    def post(self, request: Request, name: str) -> Response:
        """Lines that cannot be taken are passed over and told of in the job's `result`.

        A rehearsal answers 200 with what would become of the lines.
        """
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
        given = self.read(UserImportIn)
        lines = usercsv.read(given["csv"].encode())
        if not lines:
            raise FileRefused("The file names no user.")
        existing = Existing(given["existing"])
        preview = userimport.examine(domain=domain, lines=lines, existing=existing, by=actor)
        if given["is_rehearsal"]:
            return Response(_shown(preview))
        job = job_services.start(
            import_users,
            by=actor,
            domain_id=domain.pk,
            total=len(preview.lines),
            domain=domain.pk,
            sealed=userimport.seal(preview.lines),
            existing=existing.value,
        )
        return jobs.accepted(job)


def _shown(preview: Preview) -> dict[str, object]:
    refused = [one.line for one in preview.examined if one.fate is Fate.REFUSED]
    return {
        "adding": preview.count(Fate.ADD),
        "changing": preview.count(Fate.CHANGE),
        "leaving": preview.count(Fate.LEAVE),
        "refused": len(refused),
        "room": preview.room,
        "results": [
            {"line": one.number, "name": one.username, "reasons": one.problems}
            for one in refused[:MOST_REFUSED]
        ],
    }


urlpatterns = [
    path("domains/<str:name>/users/import/", UserImport.as_view(), name="user-import"),
]
