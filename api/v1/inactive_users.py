"""Users whom nobody has seen for a while (M-030…M-035)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import inactivity, selectors
from accounts.errors import NotPermitted
from accounts.inactivity import Period
from accounts.models import Role, Status, User
from accounts.permissions import Verb
from api import pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.schema import page_of
from clock.moments import utc_now


class InactiveUserOut(Out):
    address = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    last_active_at = serializers.DateTimeField(help_text="If never: when it was made.")
    last_service = serializers.CharField(allow_null=True, help_text="Null: never logged in.")


class InactiveFilters(pagination.Paged):
    period = serializers.ChoiceField(
        choices=[one.value for one in Period], required=False, default=Period.DAYS_30.value
    )
    domain = serializers.CharField(required=False, max_length=253)


class InactiveUsers(Endpoint):
    scope = "users"

    @extend_schema(
        parameters=[InactiveFilters],
        responses=page_of(InactiveUserOut),
        summary="List inactive users",
    )
    def get(self, request: Request) -> Response:
        """Of the domains in sight; `/users/actions/` disables or deletes them."""
        given, actor = self.query(InactiveFilters), actor_of(request)
        if actor.role == Role.USER:
            raise NotPermitted(Verb.VIEW)
        rows = inactivity.inactive_for(actor, Period(given["period"]), now=utc_now())
        if "domain" in given:
            rows = rows.filter(domain=selectors.domain_for(actor, given["domain"]))
        return pagination.page(request, given, rows, key="id", show=_shown)


def _shown(user: User) -> dict[str, Any]:
    assert user.domain is not None
    row: Any = user
    return {
        "address": f"{user.local_part}@{user.domain.name}",
        "status": user.status,
        "last_active_at": row.last_active_at,
        "last_service": row.last_service,
    }


urlpatterns = [path("inactive-users/", InactiveUsers.as_view(), name="inactive-users")]
