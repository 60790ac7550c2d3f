"""Standing rules that hold mail: what is in the spool and what comes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.permissions import Verb
from api import etags, finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Moment, Out, Switch, Text
from api.schema import page_of
from api.shapes import values_of
from api.v1 import jobs
from api.v1.jobs import JobOut
from clock.moments import utc_now
from domains.errors import DomainUnknown, Problem, ValuesRefused
from jobs.models import Job
from spool import bulkjobs, holding
from spool.holding import NewHoldRule
from spool.models import HoldRule

SHOWN = ("sender", "recipient", "destination", "reason", "until", "quarantines", "created_at")


class HoldRuleIn(In):
    """At least one of the first four says which mail."""

    sender = Text(
        required=False, allow_blank=True, max_length=330, help_text="An address, or @domain."
    )
    recipient = Text(
        required=False, allow_blank=True, max_length=330, help_text="An address, or @domain."
    )
    destination = Text(
        required=False,
        allow_blank=True,
        max_length=253,
        help_text="A domain elsewhere, or .domain for all below it.",
    )
    domain = Text(
        required=False, max_length=253, help_text="The domain of ours that causes the mail."
    )
    reason = Text(max_length=holding.REASON_CHARACTERS)
    until = Moment(required=False, allow_null=True, help_text="Null: until it is removed.")
    quarantines = Switch(
        required=False, help_text="Put it in quarantine, where it stays without the rule."
    )


class HoldRuleOut(Out):
    id = serializers.IntegerField()
    sender = serializers.CharField(allow_blank=True)
    recipient = serializers.CharField(allow_blank=True)
    destination = serializers.CharField(allow_blank=True)
    domain = serializers.CharField(allow_null=True)
    reason = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)
    quarantines = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    held = serializers.IntegerField(
        required=False, help_text="Messages of the spool that it caught; told when it is made."
    )
    job_id = serializers.IntegerField(
        required=False, help_text="Instead of that, where a job looks for them."
    )


RULE = OpenApiExample(
    "Nothing to a domain that is moving",
    {"destination": "slow.example", "reason": "they are moving", "until": "2030-01-31T12:00:00Z"},
    request_only=True,
)


class HoldRules(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(HoldRuleOut), summary="List hold rules"
    )
    def get(self, request: Request) -> Response:
        given = self.query(pagination.Paged)
        return pagination.page(request, given, _rules(), key="id", show=_shown)

    @extend_schema(
        request=HoldRuleIn,
        responses={201: HoldRuleOut},
        examples=[RULE],
        summary="Add a hold rule",
    )
    def post(self, request: Request) -> Response:
        """It catches what is in the spool already, and what comes from now on.

        A job looks through a spool of more than a thousand messages: its `job_id` is told.
        """
        actor, given = actor_of(request), self.read(HoldRuleIn)
        name = given.pop("domain", None)
        try:
            domain = selectors.domain_for(actor, name) if name is not None else None
        except DomainUnknown as error:
            raise ValuesRefused((Problem("domain", str(error)),)) from None
        new = NewHoldRule(domain=domain, **given)
        rule, done = bulkjobs.add_hold_rule(new=new, by=actor, now=utc_now())
        more = {"job_id": done.pk} if isinstance(done, Job) else {"held": done.done}
        shown = {**_shown(rule), **more}
        return Response(shown, status=201, headers={"Location": f"{request.path}{rule.pk}/"})


class HoldRuleView(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=HoldRuleOut, summary="Read a hold rule")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_shown(finding.one(_rules(), key)))

    @extend_schema(responses={204: None, 202: JobOut}, summary="Remove a hold rule")
    def delete(self, request: Request, key: int) -> Response:
        """What it holds is released; more than a thousand messages by a job."""
        rule = finding.one(_rules(), key)
        etags.require_match(request, _shown(rule), is_needed=False)
        done = bulkjobs.remove_hold_rule(rule=rule, by=actor_of(request), now=utc_now())
        return jobs.accepted(done) if isinstance(done, Job) else Response(status=204)


def _rules() -> QuerySet[HoldRule]:
    return HoldRule.objects.select_related("domain")


def _shown(rule: HoldRule) -> dict[str, Any]:
    domain = rule.domain.name if rule.domain is not None else None
    return {"id": rule.pk, "domain": domain, **values_of(rule, SHOWN)}


urlpatterns = [
    path("hold-rules/", HoldRules.as_view(), name="hold-rules"),
    path("hold-rules/<int:key>/", HoldRuleView.as_view(), name="hold-rule"),
]
