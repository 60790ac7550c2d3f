"""The house by whose word people log in to the panel (OpenID Connect): one row, as set."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import loginprovider, openid
from accounts.loginprovider import FIELDS, LONGEST_SECRET
from accounts.models import LoginProvider
from accounts.permissions import Verb
from api import etags
from api.endpoints import Endpoint, actor_of
from api.fields import Out, Text, of_model
from api.shapes import values_of

_Values: Any = of_model("LoginProviderValues", LoginProvider, FIELDS)
_Shown: Any = of_model("LoginProviderShown", LoginProvider, FIELDS, Out)


class LoginProviderIn(_Values):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    client_secret = Text(
        required=False,
        allow_blank=True,
        max_length=LONGEST_SECRET,
        help_text="As the provider has given it; it is never shown. Empty: taken away.",
    )


class LoginProviderOut(_Shown):  # type: ignore[misc]
    has_secret = serializers.BooleanField()
    redirect_address = serializers.CharField(help_text="Register this one with the provider.")


class LoginProviderView(Endpoint):
    scope = "settings"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=LoginProviderOut, summary="Read the log-in provider")
    def get(self, request: Request) -> Response:
        """Off until it is set; names and passwords go on to work beside it."""
        return etags.tagged(_shown(request))

    @extend_schema(
        request=LoginProviderIn, responses=LoginProviderOut, summary="Change the log-in provider"
    )
    def patch(self, request: Request) -> Response:
        """Set what is given. The provider itself is first asked when somebody logs in."""
        given = self.read(LoginProviderIn)
        secret = given.pop("client_secret", None)
        with transaction.atomic():
            etags.require_match(request, _shown(request))
            row = loginprovider.change(values=given, client_secret=secret, by=actor_of(request))
        openid.forget(row)
        return etags.tagged(_shown(request))


def _shown(request: Request) -> dict[str, Any]:
    row = loginprovider.read()
    return {
        **values_of(row, FIELDS),
        "has_secret": bool(row.sealed_secret),
        "redirect_address": request.build_absolute_uri(reverse("panel:openid-return")),
    }


urlpatterns = [
    path("settings/login-provider/", LoginProviderView.as_view(), name="settings-login-provider"),
]
