"""Who asks, and with what room left."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import addresslist, selectors, services
from accounts.models import User
from accounts.services import CONTACT_FIELDS, FORWARDING_FIELDS, PROFILE_FIELDS
from api import etags
from api.endpoints import Endpoint, actor_of, token_of
from api.fields import Out, of_model
from api.shapes import values_of


class CeilingOut(Out):
    limit = serializers.CharField()
    used = serializers.IntegerField()
    allowed = serializers.IntegerField(allow_null=True, help_text="Null: no limit.")


class MeOut(Out):
    name = serializers.CharField()
    role = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    plan = serializers.CharField(allow_null=True)
    ceilings = CeilingOut(many=True, help_text="Of a reseller's plan, over all his domains.")


class Me(Endpoint):
    @extend_schema(responses=MeOut, summary="Who asks")
    def get(self, request: Request) -> Response:
        """The account behind the token, its scopes, and what is left of a reseller's plan."""
        actor, token = actor_of(request), token_of(request)
        plan = getattr(getattr(actor, "reseller_plan", None), "plan", None)
        return Response(
            {
                "name": str(actor),
                "role": actor.role,
                "scopes": token.scopes if token is not None else ["*"],
                "plan": plan.name if plan is not None else None,
                "ceilings": _ceilings(actor) if plan is not None else [],
            }
        )


OWN_FIELDS = (*PROFILE_FIELDS, *CONTACT_FIELDS, *FORWARDING_FIELDS, addresslist.OWN)
ProfileIn: Any = of_model("ProfileIn", User, OWN_FIELDS)
_ProfileValues: Any = of_model("ProfileValues", User, OWN_FIELDS, Out)


class ProfileOut(_ProfileValues):  # type: ignore[misc]
    """Your own profile."""

    may_opt_out = serializers.BooleanField(
        help_text="Whether your domain lets you leave its address list (D-057)."
    )


class OwnProfile(Endpoint):
    scope = "users"

    @extend_schema(responses=ProfileOut, summary="Read your own profile")
    def get(self, request: Request) -> Response:
        """With your forwards, if you have a mailbox."""
        return etags.tagged(_profile(actor_of(request)))

    @extend_schema(request=ProfileIn, responses=ProfileOut, summary="Change your own profile")
    def patch(self, request: Request) -> Response:
        """Set what is given. A password is changed in the panel, by who knows the old one.

        Who leaves the address list where the domain does not let him: 403 `feature-off`.
        """
        actor, given = actor_of(request), self.read(ProfileIn)
        etags.require_match(request, _profile(actor))
        return etags.tagged(_profile(services.change_own(user=actor, values=given)))


def _profile(user: User) -> dict[str, Any]:
    return {**values_of(user, OWN_FIELDS), "may_opt_out": addresslist.may_choose(user)}


def _ceilings(actor: User) -> list[dict[str, Any]]:
    plan = actor.reseller_plan.plan
    domains = selectors.domains_for(actor).count()
    users = selectors.users_for(actor).count()
    return [
        {"limit": "domains", "used": domains, "allowed": plan.domains or None},
        {"limit": "users", "used": users, "allowed": plan.users or None},
    ]


urlpatterns = [
    path("me/", Me.as_view(), name="me"),
    path("me/profile/", OwnProfile.as_view(), name="own-profile"),
]
