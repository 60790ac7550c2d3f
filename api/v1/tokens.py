"""Tokens: whoever asks sees and makes his own, never wider than the one he asks with."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api import pagination, tokens
from api.endpoints import Endpoint, actor_of, token_of
from api.errors import NotFound
from api.fields import In, Moment, Number, Out, Text, Words
from api.models import ApiToken
from api.schema import page_of
from api.scopes import SCOPES
from clock.moments import utc_now


class TokenIn(In):
    name = Text(max_length=100, help_text="What it is for.")
    scopes = Words(length=30, min_length=1, help_text=f"Of {', '.join(SCOPES)}.")
    expires_at = Moment(required=False, allow_null=True, help_text="Null: it does not expire.")
    requests_per_minute = Number(
        required=False, min_value=1, max_value=tokens.MOST_REQUESTS_PER_MINUTE
    )


class TokenOut(Out):
    id = serializers.IntegerField()
    name = serializers.CharField()
    hint = serializers.CharField(help_text="How the key begins.")
    scopes = serializers.ListField(child=serializers.CharField())
    requests_per_minute = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_from = serializers.CharField(allow_blank=True)
    key = serializers.CharField(required=False, help_text="Told once, when the token is made.")


EXAMPLE = OpenApiExample(
    "A token that reads domains and adds users",
    {"name": "billing", "scopes": ["domains:read", "users:write"]},
    request_only=True,
)


class Tokens(Endpoint):
    scope = "tokens"

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(TokenOut), summary="List your tokens"
    )
    def get(self, request: Request) -> Response:
        """Without their keys, which nobody knows any more."""
        given = self.query(pagination.Paged)
        return pagination.page(request, given, _own(request), key="id", show=_shown)

    @extend_schema(
        request=TokenIn, responses={201: TokenOut}, examples=[EXAMPLE], summary="Issue a token"
    )
    def post(self, request: Request) -> Response:
        """Its key is in the answer, and nowhere else. Asked for with a token, it opens no more
        than that one and lives no longer."""
        given = self.read(TokenIn)
        actor, asking = actor_of(request), token_of(request)
        if asking is not None:
            given.setdefault("requests_per_minute", asking.requests_per_minute)
            given.setdefault("expires_at", asking.expires_at)
        row, key = tokens.issue(user=actor, by=actor, now=utc_now(), within_token=asking, **given)
        shown = {**_shown(row), "key": key}
        return Response(shown, status=201, headers={"Location": f"{request.path}{row.pk}/"})


class TokenView(Endpoint):
    scope = "tokens"

    @extend_schema(responses=TokenOut, summary="Read a token")
    def get(self, request: Request, key: int) -> Response:
        return Response(_shown(_one(request, key)))

    @extend_schema(responses={204: None}, summary="Revoke a token")
    def delete(self, request: Request, key: int) -> Response:
        """It opens nothing from the next request on, also if it is the one that asks."""
        tokens.revoke(token=_one(request, key), by=actor_of(request))
        return Response(status=204)


def _own(request: Request) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=actor_of(request))


def _one(request: Request, key: int) -> ApiToken:
    row = _own(request).filter(pk=key).first() if key < 2**63 else None
    if row is None:
        raise NotFound
    return row


def _shown(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "hint": row.hint,
        "scopes": row.scopes,
        "requests_per_minute": row.requests_per_minute,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "last_used_from": row.last_used_from,
    }


urlpatterns = [
    path("tokens/", Tokens.as_view(), name="tokens"),
    path("tokens/<int:key>/", TokenView.as_view(), name="token"),
]
