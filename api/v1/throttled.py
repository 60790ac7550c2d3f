"""Who has used up an allowance of this hour, and releasing them (T-013)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import permissions, selectors
from accounts.models import Role, User
from accounts.permissions import Verb
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Choice, In, Number, Out
from api.finding import LARGEST_KEY
from clock.moments import utc_now
from domains.models import Domain
from spool import throttled
from spool.throttle import Kind
from spool.throttled import Throttled

VERBS = {Kind.USER: Verb.CHANGE_USER_THROTTLING}


class ThrottledOut(Out):
    kind = serializers.CharField()
    key_id = serializers.IntegerField()
    who = serializers.CharField()
    reason = serializers.CharField()
    used = serializers.IntegerField(help_text="Bytes for bandwidth.")
    allowed = serializers.IntegerField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    waiting = serializers.IntegerField()
    empty_at = serializers.DateTimeField(
        allow_null=True, help_text="When the last of these has left; null: not to be foreseen."
    )


class ThrottledListOut(Out):
    items = ThrottledOut(many=True)


class ReleaseIn(In):
    kind = Choice(choices=[kind.value for kind in Kind])
    key_id = Number(min_value=1, max_value=LARGEST_KEY)


class ReleasedOut(Out):
    woken = serializers.IntegerField(help_text="Recipients that are tried again at once.")


class ThrottledList(Endpoint):
    scope = "spool"

    @extend_schema(responses=ThrottledListOut, summary="List who is throttled")
    def get(self, request: Request) -> Response:
        """Of the domains in sight, in the order in which it happened."""
        return Response({"items": [_shown(one) for one in _seen(actor_of(request))]})


class Release(Endpoint):
    scope = "spool"

    @extend_schema(request=ReleaseIn, responses=ReleasedOut, summary="Release a throttle")
    def post(self, request: Request) -> Response:
        """The hour's allowance begins anew."""
        actor, given = actor_of(request), self.read(ReleaseIn)
        kind, key_id = given["kind"], given["key_id"]
        found = [one for one in _seen(actor) if (one.kind, one.key_id) == (kind, key_id)]
        if not found:
            raise NotFound
        domain = Domain.objects.filter(pk=found[0].domain_id).first()
        verb = VERBS.get(Kind(kind), Verb.CHANGE_THROTTLING)
        permissions.require(actor, verb, domain)
        woken = throttled.release(kind=kind, key_id=key_id, by=actor, now=utc_now())
        return Response({"woken": woken})


def _seen(actor: User) -> list[Throttled]:
    rows = throttled.throttled(utc_now())
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    ids = {one.domain_id for one in rows}
    seen = set(selectors.domains_for(actor).filter(pk__in=ids).values_list("pk", flat=True))
    return [one for one in rows if one.domain_id in seen]


def _shown(one: Throttled) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "key_id": one.key_id,
        "who": one.who,
        "reason": one.reason,
        "used": one.used,
        "allowed": one.allowed,
        "since": one.since,
        "until": one.until,
        "waiting": one.waiting,
        "empty_at": one.empty_at,
    }


urlpatterns = [
    path("throttled/", ThrottledList.as_view(), name="throttled"),
    path("throttled/release/", Release.as_view(), name="throttled-release"),
]
