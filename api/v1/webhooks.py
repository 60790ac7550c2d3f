"""Web hooks: addresses that are told what changes in sight of their owner."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api import etags, finding, pagination, webhooks
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Switch, Text, Words
from api.models import Webhook, WebhookDelivery
from api.schema import page_of
from clock.moments import utc_now


class WebhookIn(In):
    """What is given changes, the rest stays."""

    url = Text(required=False, max_length=2000, help_text="https:// and a public host.")
    topics = Words(
        required=False, length=20, help_text=f"Of {', '.join(webhooks.TOPICS)}; empty: all."
    )
    is_enabled = Switch(required=False)


class NewWebhookIn(WebhookIn):
    url = Text(max_length=2000, help_text="https:// and a public host.")


class WebhookOut(Out):
    id = serializers.IntegerField()
    url = serializers.CharField()
    topics = serializers.ListField(child=serializers.CharField())
    is_enabled = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    secret = serializers.CharField(required=False, help_text="Told once, when it is made.")


class DeliveryOut(Out):
    id = serializers.IntegerField()
    event_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="Null: no further attempt.")
    delivered_at = serializers.DateTimeField(allow_null=True)
    status_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_blank=True)


EXAMPLE = OpenApiExample(
    "Changes of users",
    {"url": "https://billing.example/hooks/mail", "topics": ["user"]},
    request_only=True,
)


class Webhooks(Endpoint):
    scope = "webhooks"

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(WebhookOut), summary="List web hooks"
    )
    def get(self, request: Request) -> Response:
        """Your own."""
        given = self.query(pagination.Paged)
        return pagination.page(request, given, _own(request), key="id", show=_shown)

    @extend_schema(
        request=NewWebhookIn,
        responses={201: WebhookOut},
        examples=[EXAMPLE],
        summary="Add a web hook",
    )
    def post(self, request: Request) -> Response:
        """Its secret, which signs every delivery, is told this once."""
        actor = actor_of(request)
        values = self.read(NewWebhookIn)
        row, secret = webhooks.add(owner=actor, values=values, by=actor, now=utc_now())
        shown = {**_shown(row), "secret": secret}
        return etags.tagged(shown, status=201, Location=f"{request.path}{row.pk}/")


class WebhookView(Endpoint):
    scope = "webhooks"

    @extend_schema(responses=WebhookOut, summary="Read a web hook")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_shown(finding.one(_own(request), key)))

    @extend_schema(request=WebhookIn, responses=WebhookOut, summary="Change a web hook")
    def patch(self, request: Request, key: int) -> Response:
        given = self.read(WebhookIn)
        with transaction.atomic():
            row = finding.one(_own(request).select_for_update(), key)
            etags.require_match(request, _shown(row))
            row = webhooks.change(webhook=row, values=given, by=actor_of(request))
        return etags.tagged(_shown(row))

    @extend_schema(responses={204: None}, summary="Delete a web hook")
    def delete(self, request: Request, key: int) -> Response:
        """With what it was still to be told."""
        row = finding.one(_own(request), key)
        etags.require_match(request, _shown(row), is_needed=False)
        webhooks.delete(webhook=row, by=actor_of(request))
        return Response(status=204)


class WebhookPing(Endpoint):
    scope = "webhooks"

    @extend_schema(request=None, responses={202: DeliveryOut}, summary="Try a web hook")
    def post(self, request: Request, key: int) -> Response:
        """A signed delivery of the topic `ping`, within a minute."""
        row = finding.one(_own(request), key)
        return Response(_delivery(webhooks.ping(webhook=row, now=utc_now())), status=202)


class WebhookDeliveries(Endpoint):
    scope = "webhooks"

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(DeliveryOut), summary="List deliveries"
    )
    def get(self, request: Request, key: int) -> Response:
        """Of the last seven days, newest first."""
        given = self.query(pagination.Paged)
        rows = WebhookDelivery.objects.filter(webhook=finding.one(_own(request), key))
        return pagination.page(request, given, rows, key="-id", show=_delivery)


def _own(request: Request) -> QuerySet[Webhook]:
    return Webhook.objects.filter(owner=actor_of(request))


def _shown(row: Webhook) -> dict[str, Any]:
    return {
        "id": row.pk,
        "url": row.url,
        "topics": row.topics,
        "is_enabled": row.is_enabled,
        "created_at": row.created_at,
    }


def _delivery(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": row.pk,
        "event_id": row.event_id,
        "created_at": row.created_at,
        "attempts": row.attempts,
        "due_at": row.due_at,
        "delivered_at": row.delivered_at,
        "status_code": row.status_code,
        "error": row.error,
    }


urlpatterns = [
    path("webhooks/", Webhooks.as_view(), name="webhooks"),
    path("webhooks/<int:key>/", WebhookView.as_view(), name="webhook"),
    path("webhooks/<int:key>/ping/", WebhookPing.as_view(), name="webhook-ping"),
    path("webhooks/<int:key>/deliveries/", WebhookDeliveries.as_view(), name="webhook-deliveries"),
]
