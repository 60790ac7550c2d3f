"""The limits in force for the server, a domain or a user: every ceiling, what is left (X-011)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.models import Role, User
from accounts.permissions import Verb
from administration import limits
from administration.limits import Ceiling, InForce
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.v1.users import seen
from clock.moments import utc_now


class ChainedOut(Out):
    source = serializers.CharField(help_text="Who sets it: the system, a plan, a domain, a user.")  # type: ignore[assignment]
    allowed = serializers.IntegerField(allow_null=True, help_text="Null: no limit.")
    used = serializers.IntegerField(allow_null=True, help_text="Null: nothing is counted.")
    left = serializers.IntegerField(allow_null=True)


class LimitOut(Out):
    limit = serializers.CharField()
    unit = serializers.ChoiceField(choices=["count", "bytes"])
    allowed = serializers.IntegerField(allow_null=True, help_text="By the ceiling that binds.")
    used = serializers.IntegerField(allow_null=True)
    left = serializers.IntegerField(allow_null=True)
    binding = serializers.CharField(allow_null=True, help_text="Whose ceiling is met first.")
    resets_at = serializers.DateTimeField(allow_null=True)
    chain = ChainedOut(many=True, help_text="From the system down.")


class LimitsOut(Out):
    items = LimitOut(many=True)


class ServerLimits(Endpoint):
    scope = "settings"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=LimitsOut, summary="Read what all domains together may have")
    def get(self, request: Request) -> Response:
        """The caps of the whole server, which `/settings/caps/` sets, and what is used of them."""
        return _respond(actor_of(request), limits.of_server())


class DomainLimits(Endpoint):
    scope = "domains"

    @extend_schema(responses=LimitsOut, summary="Read the limits in force for a domain")
    def get(self, request: Request, name: str) -> Response:
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name)
        return _respond(actor, limits.of_domain(domain, now=utc_now()))


class UserLimits(Endpoint):
    scope = "users"

    @extend_schema(responses=LimitsOut, summary="Read the limits in force for a user")
    def get(self, request: Request, address: str) -> Response:
        actor = actor_of(request)
        user = seen(actor, address)
        return _respond(actor, limits.of_user(user, now=utc_now()))


def _respond(actor: User, found: tuple[InForce, ...]) -> Response:
    if actor.role in (Role.DOMAIN_ADMINISTRATOR, Role.USER):
        found = limits.as_customers_see(found)
    elif actor.role == Role.RESELLER:
        found = limits.as_resellers_see(found)
    return Response({"items": [_shown(one) for one in found]})


def _shown(one: InForce) -> dict[str, Any]:
    return {
        "limit": one.limit,
        "unit": one.unit,
        "allowed": one.allowed,
        "used": one.used,
        "left": one.left,
        "binding": one.binding.source if one.binding is not None else None,
        "resets_at": one.resets_at,
        "chain": [_ceiling(ceiling) for ceiling in one.chain],
    }


def _ceiling(one: Ceiling) -> dict[str, Any]:
    return {"source": one.source, "allowed": one.allowed, "used": one.used, "left": one.left}


urlpatterns = [
    path("limits/", ServerLimits.as_view(), name="server-limits"),
    path("domains/<str:name>/limits/", DomainLimits.as_view(), name="domain-limits"),
    path("users/<str:address>/limits/", UserLimits.as_view(), name="user-limits"),
]
