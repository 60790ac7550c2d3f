"""Services: how they stand, starting and stopping them (M-001…M-008)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Choice, In, Number, Out
from operations import services, servicestate
from operations.models import Service
from operations.servicestate import ServiceStanding


class ServiceOut(Out):
    service = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField()
    node = serializers.IntegerField(help_text="Which machine.")
    is_wanted = serializers.BooleanField()
    state = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    warning = serializers.CharField(allow_blank=True)
    sessions = serializers.IntegerField()


class ServicesOut(Out):
    items = ServiceOut(many=True)


class ServiceIn(In):
    action = Choice(choices=["start", "stop"])
    node = Number(
        required=False, allow_null=True, min_value=0, max_value=15, help_text="Null: on all."
    )


class Services(Endpoint):
    scope = "services"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=ServicesOut, summary="List services")
    def get(self, request: Request) -> Response:
        """Each service on each machine."""
        standings = servicestate.standings_for(actor_of(request))
        return Response({"items": [_shown(one) for one in standings]})

    @extend_schema(request=ServiceIn, responses=ServicesOut, summary="Start or stop all services")
    def post(self, request: Request) -> Response:
        """Those that run, or are stopped, already are left alone. The web, and so the API, goes
        on (M-007, M-008)."""
        given = self.read(ServiceIn)
        act = services.start_all if given["action"] == "start" else services.stop_all
        found = act(by=actor_of(request), node=given.get("node"))
        return Response({"items": [_shown(one) for one in found]})


class ServiceActions(Endpoint):
    scope = "services"
    verb = Verb.MANAGE_SERVER

    @extend_schema(request=ServiceIn, responses=ServicesOut, summary="Start or stop a service")
    def post(self, request: Request, service: str) -> Response:
        """Answers when it has started, or takes no new work; at most ten seconds later."""
        if service not in Service.values:
            raise NotFound
        given = self.read(ServiceIn)
        act = services.start if given["action"] == "start" else services.stop
        found = act(service, by=actor_of(request), node=given.get("node"))
        return Response({"items": [_shown(one) for one in found]})


def _shown(one: ServiceStanding) -> dict[str, Any]:
    return {
        "service": one.service,
        "label": one.label,
        "description": one.description,
        "node": one.node,
        "is_wanted": one.is_wanted,
        "state": one.state,
        "reason": one.reason,
        "warning": one.warning,
        "sessions": one.sessions,
    }


urlpatterns = [
    path("services/", Services.as_view(), name="services"),
    path("services/<str:service>/", ServiceActions.as_view(), name="service-actions"),
]
