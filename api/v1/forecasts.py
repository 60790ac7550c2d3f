"""When what waits will have left, as it is set and as it might be (S-068)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api.endpoints import Endpoint
from api.errors import NotFound
from api.fields import In, Out, Text
from clock.moments import utc_now
from spool import supposing, throttlepolicy
from spool.forecast import Forecast
from spool.supposing import Supposed
from spool.throttlepolicy import PayerUnknown

LARGEST_LIMIT = 999_999_999


class ForecastOut(Out):
    empty_at = serializers.DateTimeField(allow_null=True, help_text="Null: not within 30 days.")
    words = serializers.CharField()


class SupposedOut(Out):
    as_it_is = ForecastOut()
    supposed = ForecastOut()


class LimitForecastOut(SupposedOut):
    who = serializers.CharField()
    waiting = serializers.IntegerField(help_text="Recipients elsewhere who are not held.")
    whole_spool = ForecastOut(allow_null=True, help_text="With the limit; null: of no domain.")


class LimitForecastIn(In):
    of = Text(max_length=320, help_text="A domain, or the address of a user or a mailing list.")
    messages_per_hour = serializers.IntegerField(
        required=False, min_value=0, max_value=LARGEST_LIMIT, help_text="Left out or 0: no limit."
    )


class LimitForecast(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[LimitForecastIn],
        responses=LimitForecastOut,
        summary="Forecast a changed limit of the hour",
    )
    def get(self, request: Request) -> Response:
        """When all that waits of a domain, a user or a list would have left. Nothing is changed."""
        given = self.query(LimitForecastIn)
        try:
            payer = throttlepolicy.payer_by_name(given["of"])
        except PayerUnknown:
            raise NotFound from None
        found = supposing.with_limit(
            payer=payer, messages_per_hour=given.get("messages_per_hour"), now=utc_now()
        )
        whole = found.whole_spool
        return Response(
            {
                "who": found.who,
                "waiting": found.waiting,
                "whole_spool": None if whole is None else _shown(whole),
                **supposed_shown(found),
            }
        )


def supposed_shown(found: Supposed) -> dict[str, Any]:
    return {"as_it_is": _shown(found.as_it_is), "supposed": _shown(found.supposed)}


def _shown(one: Forecast) -> dict[str, Any]:
    return {"empty_at": one.empty_at, "words": one.words}


# It stands before the address of one message, which would take it.
urlpatterns = [path("spool/forecast/", LimitForecast.as_view(), name="spool-forecast")]
