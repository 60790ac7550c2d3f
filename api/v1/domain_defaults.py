"""What new domains begin with, and setting it on domains that exist (D-027)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import propagation, selectors
from accounts.models import User
from accounts.permissions import Verb
from accounts.tasks import propagate_defaults
from api import etags
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Text, Words, of_model
from api.shapes import OptionsIn, TabsIn, TabsOut
from api.v1.jobs import JobOut, job_shown
from domains import defaults
from domains.checking import OPTIONS
from domains.errors import Problem, ValuesRefused
from domains.models import Domain
from events import audit
from jobs import services as job_services

# Each one is tried out, which takes some milliseconds.
MOST_PREVIEWED = 25

OptionsOut: Any = of_model("DefaultOptionsOut", Domain, OPTIONS, Out)


class DefaultsIn(OptionsIn):  # type: ignore[misc]
    """What is given changes; what is not stays."""

    tabs = TabsIn(required=False)


class DefaultsOut(OptionsOut):  # type: ignore[misc]
    tabs = TabsOut()


class PropagationIn(In):
    fields_chosen = Words(
        min_length=1,
        length=100,
        help_text="Such as `limits.users` or `options.list_command_address`: their present "
        "defaults are set.",
    )
    names = Words(required=False, length=253, help_text="Of domains; left out: all.")
    reason = Text(
        required=False, allow_blank=True, max_length=300, help_text="Stands in the audit trail."
    )


@extend_schema_field(OpenApiTypes.OBJECT)
class Changes(serializers.JSONField):
    """Old and new value of each field."""


class DifferenceOut(Out):
    name = serializers.CharField()
    changes = Changes(help_text="Field to `[old, new]`.")
    obstacle = serializers.CharField(
        allow_blank=True, help_text="Why it would stay as it is; empty: it would change."
    )


class PreviewOut(Out):
    count = serializers.IntegerField(help_text="Domains with other values.")
    domains = DifferenceOut(many=True, help_text="The first of them, by name.")


CHOSEN = OpenApiExample(
    "Two limits of all domains",
    {"fields_chosen": ["limits.users", "limits.disk_space_mb"], "reason": "new price list"},
    request_only=True,
)


class DomainDefaultsView(Endpoint):
    scope = "settings"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=DefaultsOut, summary="Read the defaults for new domains")
    def get(self, request: Request) -> Response:
        """What a domain that is opened now begins with."""
        return etags.tagged(_shown())

    @extend_schema(
        request=DefaultsIn, responses=DefaultsOut, summary="Change the defaults for new domains"
    )
    def patch(self, request: Request) -> Response:
        """Set what is given. Domains that exist stay as they are."""
        given = self.read(DefaultsIn)
        values = dict(given.pop("tabs", {}))
        with transaction.atomic():
            etags.require_match(request, _shown())
            defaults.change(values={**values, "options": given}, by=actor_of(request))
        return etags.tagged(_shown())


class DomainDefaultsPreview(Endpoint):
    scope = "settings"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=PropagationIn,
        responses=PreviewOut,
        examples=[CHOSEN],
        summary="Preview setting defaults on domains",
    )
    def post(self, request: Request) -> Response:
        """What `apply` would change in each domain. It changes nothing."""
        actor, given = actor_of(request), self.read(PropagationIn)
        values = propagation.chosen(given["fields_chosen"])
        rows = propagation.with_other_values(_chosen(actor, given), values).order_by("name")
        found = propagation.preview(rows[:MOST_PREVIEWED], values, by=actor)
        shown = [
            {
                "name": one.domain.name,
                "changes": {
                    name: [audit.plain(old), audit.plain(new)]
                    for name, (old, new) in one.changes.items()
                },
                "obstacle": one.obstacle,
            }
            for one in found
        ]
        return Response({"count": rows.count(), "domains": shown})


class DomainDefaultsApply(Endpoint):
    scope = "settings"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=PropagationIn,
        responses={202: JobOut},
        examples=[CHOSEN],
        summary="Set defaults on domains",
    )
    def post(self, request: Request) -> Response:
        """As a job, which is one operation of the audit trail and is undone as one."""
        actor, given = actor_of(request), self.read(PropagationIn)
        values = propagation.chosen(given["fields_chosen"])
        chosen = _chosen(actor, given)
        job = job_services.start(
            propagate_defaults, by=actor,
            total=propagation.with_other_values(chosen, values).count(),
            values=values,
            domains=list(chosen.values_list("pk", flat=True)) if "names" in given else None,
            reason=given.get("reason", ""),
        )  # fmt: skip
        return Response(job_shown(job), status=202)


def _chosen(actor: User, given: dict[str, Any]) -> QuerySet[Domain]:
    """Raises ValuesRefused for a name that is none."""
    rows = selectors.domains_for(actor)
    if "names" not in given:
        return rows
    names = set(given["names"])
    rows = rows.filter(name__in=names)
    unknown = sorted(names - set(rows.values_list("name", flat=True)))
    if unknown:
        raise ValuesRefused((Problem("names", f"there is no domain {unknown[0]}"),))
    return rows


def _shown() -> dict[str, Any]:
    values = defaults.current()
    options = values.pop("options")
    return {**options, "tabs": values}


urlpatterns = [
    path("domain-defaults/", DomainDefaultsView.as_view(), name="domain-defaults"),
    path(
        "domain-defaults/preview/", DomainDefaultsPreview.as_view(), name="domain-defaults-preview"
    ),
    path("domain-defaults/apply/", DomainDefaultsApply.as_view(), name="domain-defaults-apply"),
]
