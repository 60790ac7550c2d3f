"""The keys that a domain's mail is signed with (F-040, F-041)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.permissions import Verb
from api import pagination
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import In, Out
from api.schema import page_of
from clock.moments import utc_now
from signing import keys
from signing.models import Algorithm, SigningKey

RECORD = "mh1r._domainkey.shop.example"
KEY = OpenApiExample(
    "A key whose record is not in DNS yet",
    {
        "record_name": RECORD,
        "record": "v=DKIM1; k=rsa; p=MIIBIjANBgkq…",
        "name": "shop.example",
        "selector": "mh1r",
        "algorithm": "rsa",
        "state": "waiting",
        "created_at": "2030-01-31T12:00:00Z",
        "published_at": None,
        "retired_at": None,
    },
    response_only=True,
)


SHOWN = (
    "record_name", "record", "name", "selector", "algorithm", "state", "created_at",
    "published_at", "retired_at",
)  # fmt: skip


class NoKeysIn(In):
    """Nothing needs to be said."""


class SigningKeyOut(Out):
    record_name = serializers.CharField(help_text="Where the TXT record belongs.")
    record = serializers.CharField(help_text="What the TXT record says.")
    name = serializers.CharField(help_text="The domain's name, or that of a domain alias.")
    selector = serializers.CharField()
    algorithm = serializers.ChoiceField(choices=Algorithm.choices)
    state = serializers.ChoiceField(
        choices=["waiting", "signing", "retired"],
        help_text="It signs as soon as its record is seen in DNS.",
    )
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)


class SigningKeysOut(Out):
    items = SigningKeyOut(many=True)


def shown(key: SigningKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in SHOWN}


class SigningKeys(Endpoint):
    scope = "domains"

    @extend_schema(
        parameters=[pagination.Paged],
        responses=page_of(SigningKeyOut),
        summary="List signing keys",
    )
    def get(self, request: Request, name: str) -> Response:
        """Of the domain and its aliases, with the records that belong into DNS."""
        domain = selectors.domain_for(actor_of(request), name, verb=Verb.VIEW)
        given = self.query(pagination.Paged)
        rows = SigningKey.objects.filter(domain=domain)
        return pagination.page(request, given, rows, key="id", show=shown)

    @extend_schema(
        request=NoKeysIn, responses={201: SigningKeysOut}, summary="Generate signing keys"
    )
    def post(self, request: Request, name: str) -> Response:
        """The first ones, or the next: those in use go on until the new records are seen."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_SIGNING)
        self.read(NoKeysIn)
        made = keys.generate(domain=domain, by=actor, now=utc_now())
        return Response({"items": [shown(key) for key in made]}, status=201)


class SigningKeyView(Endpoint):
    scope = "domains"

    @extend_schema(responses=SigningKeyOut, examples=[KEY], summary="Read a signing key")
    def get(self, request: Request, name: str, record_name: str) -> Response:
        domain = selectors.domain_for(actor_of(request), name, verb=Verb.VIEW)
        selector, _, key_name = record_name.partition("._domainkey.")
        key = SigningKey.objects.filter(domain=domain, name=key_name, selector=selector).first()
        if key is None:
            raise NotFound
        return Response(shown(key))

    @extend_schema(responses={204: None}, summary="Retire a signing key")
    def delete(self, request: Request, name: str, record_name: str) -> Response:
        """It signs no more, and is erased. Its record should stay for two weeks."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_SIGNING)
        selector, _, key_name = record_name.partition("._domainkey.")
        now = utc_now()
        keys.retire(domain=domain, selector=selector, name=key_name, by=actor, now=now)
        return Response(status=204)


urlpatterns = [
    path("domains/<str:name>/signing-keys/", SigningKeys.as_view(), name="signing-keys"),
    path(
        "domains/<str:name>/signing-keys/<str:record_name>/",
        SigningKeyView.as_view(),
        name="signing-key",
    ),
]
