"""Mailing lists of domains: what they are, and who runs them (L-001, L-004…L-014)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors as account_selectors
from accounts.permissions import Verb
from api import etags, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Out, Text, Words, of_model
from api.schema import page_of
from api.shapes import values_of
from domains.errors import DomainUnknown, Problem, ValuesRefused
from mailinglists import permits, selectors, services
from mailinglists.models import MailingList, PosterRule
from mailinglists.services import FIELDS, MOST_RULES, PASSWORD_CHARACTERS

_Values: Any = of_model("MailingListValues", MailingList, FIELDS)
_Shown: Any = of_model("MailingListShown", MailingList, FIELDS, Out)


class MailingListIn(_Values):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    moderators = Words(
        required=False, max_length=100, length=330, help_text="User names of the domain."
    )
    may_always_post = Words(
        required=False, max_length=MOST_RULES, help_text="Addresses, or @domain for all of one."
    )
    may_never_post = Words(
        required=False, max_length=MOST_RULES, help_text="The same; a ban comes first."
    )
    post_password = Text(
        required=False,
        allow_blank=True,
        max_length=PASSWORD_CHARACTERS,
        help_text="Never shown. In a subject, as [:password:], it lets a post go out at once; "
        "empty: there is none.",
    )


class NewMailingListIn(MailingListIn):
    address = Text(max_length=330, help_text="In a domain that you see.")


class MailingListOut(_Shown):  # type: ignore[misc]
    address = serializers.CharField()
    moderators = serializers.ListField(child=serializers.CharField())
    may_always_post = serializers.ListField(child=serializers.CharField())
    may_never_post = serializers.ListField(child=serializers.CharField())
    has_post_password = serializers.BooleanField()
    subscribers = serializers.IntegerField()
    posts_waiting = serializers.IntegerField(help_text="For a moderator.")
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()


class MailingListRowOut(Out):
    address = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    is_public = serializers.BooleanField()
    is_moderated = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class MailingListFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")
    domain = serializers.CharField(required=False, max_length=253)


NEW = OpenApiExample(
    "A newsletter that only its makers write",
    {
        "address": "news@shop.example",
        "description": "What is new in the shop",
        "posting": "moderators",
        "moderators": ["ann"],
        "subject_prefix": "[news]",
    },
    request_only=True,
)


class MailingLists(Endpoint):
    scope = "mailing-lists"

    @extend_schema(
        parameters=[MailingListFilters],
        responses=page_of(MailingListRowOut),
        summary="List mailing lists",
    )
    def get(self, request: Request) -> Response:
        """Of all domains in sight, or of one; users see the lists that they moderate."""
        given, actor = self.query(MailingListFilters), actor_of(request)
        rows = selectors.lists_for(actor)
        if "domain" in given:
            rows = rows.filter(domain=account_selectors.domain_for(actor, given["domain"]))
        if "q" in given:
            rows = rows.filter(local_part__icontains=given["q"])
        return pagination.page(request, given, rows, key="id", show=_row)

    @extend_schema(
        request=NewMailingListIn,
        responses={201: MailingListOut},
        examples=[NEW],
        summary="Make a mailing list",
    )
    def post(self, request: Request) -> Response:
        """Its further addresses, such as name-request, must be free, too.

        403 `feature-off` where the domain has lists switched off, 409 `limit-reached` where it has
        as many as it may.
        """
        actor, given = actor_of(request), self.read(NewMailingListIn)
        local_part, _, name = given["address"].rpartition("@")
        try:
            domain = selectors.domain_for(actor, name)
        except DomainUnknown:
            problem = Problem("address", "its domain is none of yours")
            raise ValuesRefused((problem,)) from None
        row = services.create_list(
            domain=domain,
            local_part=local_part,
            values=_values(given),
            post_password=given.get("post_password", ""),
            moderators=given.get("moderators", ()),
            poster_rules=_rules(given, None) or (),
            by=actor,
        )
        shown = shown_of(row)
        return etags.tagged(shown, status=201, Location=f"{request.path}{row.address}/")


class MailingListView(Endpoint):
    scope = "mailing-lists"

    @extend_schema(responses=MailingListOut, summary="Read a mailing list")
    def get(self, request: Request, address: str) -> Response:
        """All that is set of it; its subscribers have an address of their own."""
        return etags.tagged(shown_of(selectors.list_for(actor_of(request), address)))

    @extend_schema(request=MailingListIn, responses=MailingListOut, summary="Change a mailing list")
    def patch(self, request: Request, address: str) -> Response:
        """Set what is given; lists that are given replace all that there was.

        Moderators may set texts and moderation; the rest is for administrators.
        """
        actor = actor_of(request)
        selectors.list_for(actor, address)
        given = self.read(MailingListIn)
        names = [name for name in given if name in FIELDS or name == "moderators"]
        row = selectors.list_for(actor, address, verb=permits.verb_for(names))
        etags.require_match(request, shown_of(row))
        row = services.change_list(
            mailing_list=row,
            values=_values(given),
            post_password=given.get("post_password"),
            moderators=given.get("moderators"),
            poster_rules=_rules(given, row),
            expected_version=row.version,
            by=actor,
        )
        return etags.tagged(shown_of(row))

    @extend_schema(responses={204: None}, summary="Delete a mailing list")
    def delete(self, request: Request, address: str) -> Response:
        """With its subscribers, and the posts that wait for a moderator."""
        actor = actor_of(request)
        row = selectors.list_for(actor, address, verb=Verb.CHANGE_LISTS)
        etags.require_match(request, shown_of(row), is_needed=False)
        services.delete_list(mailing_list=row, by=actor)
        return Response(status=204)


def shown_of(row: MailingList) -> dict[str, Any]:
    rules = _patterns(row)
    return {
        "address": row.address,
        **values_of(row, FIELDS),
        "moderators": services.moderator_names(row),
        "may_always_post": rules[PosterRule.Kind.ALLOW],
        "may_never_post": rules[PosterRule.Kind.BAN],
        "has_post_password": bool(row.post_password),
        "subscribers": row.subscribers.count(),
        "posts_waiting": row.held.count(),
        "created_at": row.created_at,
        "version": row.version,
    }


def _row(row: MailingList) -> dict[str, Any]:
    return {
        "address": row.address,
        "description": row.description,
        "is_public": row.is_public,
        "is_moderated": row.is_moderated,
        "created_at": row.created_at,
    }


def _values(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in FIELDS if name in given}


def _patterns(row: MailingList) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {kind: [] for kind in PosterRule.Kind.values}
    for rule in PosterRule.objects.filter(mailing_list=row).order_by("pattern"):
        found[rule.kind].append(rule.pattern)
    return found


def _rules(given: dict[str, Any], row: MailingList | None) -> list[tuple[str, str]] | None:
    """Those that are given, beside those of the other kind that stay. None: all stay."""
    kinds = {"may_always_post": PosterRule.Kind.ALLOW, "may_never_post": PosterRule.Kind.BAN}
    if given.keys().isdisjoint(kinds):
        return None
    there = _patterns(row) if row is not None else {}
    return [
        (pattern, kind.value)
        for name, kind in kinds.items()
        for pattern in given.get(name, there.get(kind, []))
    ]


urlpatterns = [
    path("mailing-lists/", MailingLists.as_view(), name="mailing-lists"),
    path("mailing-lists/<str:address>/", MailingListView.as_view(), name="mailing-list"),
]
