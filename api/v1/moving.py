"""The folder of a domain: where it is, and moving it to another place (D-034)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.permissions import Verb
from administration.movejob import start_move
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Text
from api.v1.jobs import JobOut, accepted
from domains import moving
from domains import selectors as domain_selectors
from domains.models import Domain


class MoveIn(In):
    folder_path = Text(
        allow_blank=True,
        max_length=1024,
        help_text="Absolute, and of no other use; empty: below the data folder.",
    )


class FolderOut(Out):
    folder_path = serializers.CharField()
    moving_to = serializers.CharField(allow_null=True, help_text="Null: no move is running.")
    job = serializers.IntegerField(
        allow_null=True, help_text="Of the move that is running; null: none, or a command does it."
    )


MOVE = OpenApiExample(
    "To a larger disk", {"folder_path": "/srv/disk2/shop.example"}, request_only=True
)


class Folder(Endpoint):
    scope = "domains"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=FolderOut, summary="Read where a domain's folder is")
    def get(self, request: Request, name: str) -> Response:
        """And where to it is being moved, if it is."""
        domain = selectors.domain_for(actor_of(request), name, verb=Verb.CHANGE_TECHNICAL)
        return Response(_shown(domain))

    @extend_schema(
        request=MoveIn, responses={202: JobOut}, examples=[MOVE], summary="Move a domain's folder"
    )
    def post(self, request: Request, name: str) -> Response:
        """202 with a job that moves it while the domain goes on to work: ask `/jobs/ID/` until it
        is `done`. Cancelled or failed, it leaves the folder where it was. Undo moves it back."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_TECHNICAL)
        domain_selectors.require_own_name(domain, name)
        folder_path = self.read(MoveIn)["folder_path"].strip()
        return accepted(start_move(domain=domain, folder_path=folder_path, by=actor))


def _shown(domain: Domain) -> dict[str, Any]:
    running = moving.running_of(domain)
    return {
        "folder_path": str(domain.area.directory),
        "moving_to": str(moving.of_row(running).goal) if running is not None else None,
        "job": running.job_id if running is not None else None,
    }


urlpatterns = [path("domains/<str:name>/folder/", Folder.as_view(), name="domain-folder")]
