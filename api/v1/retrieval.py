"""Users' accounts on other servers, whose mail is fetched into their mailboxes (N-060, N-061)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import UserUnknown
from api import etags, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, Out, Text, of_model
from api.schema import page_of
from api.shapes import values_of
from domains.errors import Problem, ValuesRefused
from retrieval import selectors, services
from retrieval.models import Kind, RetrievalAccount
from retrieval.trying import try_out

_Values: Any = of_model("RetrievalAccountValues", RetrievalAccount, services.FIELDS)
_Shown: Any = of_model("RetrievalAccountShown", RetrievalAccount, services.FIELDS, Out)


class RetrievalAccountIn(_Values):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    password = Text(
        required=False,
        max_length=services.PASSWORD_CHARACTERS,
        help_text="Never shown; needed again when server, port, name or encryption changes.",
    )


class NewRetrievalAccountIn(RetrievalAccountIn):
    """The port may be left to the protocol."""

    kind = Choice(choices=Kind.choices)
    host = Text(max_length=253)
    username = Text(max_length=255)
    password = Text(max_length=services.PASSWORD_CHARACTERS, help_text="Never shown.")
    user = Text(
        required=False, max_length=330, help_text="Whose it is, by address; left out: yours."
    )


class LastVisitOut(Out):
    at = serializers.DateTimeField()
    count = serializers.IntegerField(help_text="Messages that it brought.")
    error = serializers.CharField(
        allow_blank=True, help_text="Why it failed, or what it left; empty: all went well."
    )
    failures = serializers.IntegerField(help_text="In a row.")


class RetrievalAccountOut(_Shown):  # type: ignore[misc]
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    user = serializers.CharField()
    has_password = serializers.BooleanField()
    next_at = serializers.DateTimeField(help_text="When it is visited next.")
    last_run = LastVisitOut(allow_null=True, help_text="Null: there was none yet.")
    version = serializers.IntegerField()


class OfUser(pagination.Paged):
    user = Text(required=False, max_length=330, help_text="Only the accounts of this address.")


NEW = OpenApiExample(
    "An old mailbox, with all its folders",
    {
        "kind": "imap",
        "host": "imap.provider.example",
        "username": "ann@provider.example",
        "password": "secret",
        "all_folders": True,
        "user": "ann@shop.example",
    },
    request_only=True,
)


class RetrievalAccounts(Endpoint):
    scope = "retrieval"

    @extend_schema(
        parameters=[OfUser],
        responses=page_of(RetrievalAccountOut),
        summary="List accounts on other servers",
    )
    def get(self, request: Request) -> Response:
        """Your own, and those of users whom you administer."""
        given = self.query(OfUser)
        actor = actor_of(request)
        rows = selectors.accounts_for(actor)
        if given.get("user"):
            rows = rows.filter(user=selectors.owner_for(actor, given.pop("user")))
        return pagination.page(request, given, rows, key="id", show=_shown)

    @extend_schema(
        request=NewRetrievalAccountIn,
        responses={201: RetrievalAccountOut},
        examples=[NEW],
        summary="Add an account on another server",
    )
    def post(self, request: Request) -> Response:
        """Its mail is fetched within seconds, and then every `interval_minutes`.

        403 `feature-off` where the domain has it switched off, 409 `limit-reached` where the user
        has as many as he may.
        """
        actor, given = actor_of(request), self.read(NewRetrievalAccountIn)
        try:
            owner = selectors.owner_for(actor, given.get("user", ""))
        except UserUnknown as error:
            raise ValuesRefused((Problem("user", str(error)),)) from None
        row = services.add(
            user=owner,
            kind=Kind(given["kind"]),
            values=_values(given),
            password=given["password"],
            by=actor,
        )
        return etags.tagged(_shown(row), status=201, Location=f"{request.path}{row.pk}/")


class RetrievalAccountView(Endpoint):
    scope = "retrieval"

    @extend_schema(responses=RetrievalAccountOut, summary="Read an account on another server")
    def get(self, request: Request, key: int) -> Response:
        """How it is set up and what its last run brought."""
        return etags.tagged(_shown(selectors.account_for(actor_of(request), key)))

    @extend_schema(
        request=RetrievalAccountIn,
        responses=RetrievalAccountOut,
        summary="Change an account on another server",
    )
    def patch(self, request: Request, key: int) -> Response:
        """Set what is given. It is fetched from at once, by the new values."""
        actor, given = actor_of(request), self.read(RetrievalAccountIn)
        row = selectors.account_for(actor, key)
        etags.require_match(request, _shown(row))
        row = services.change(
            account=row,
            values=_values(given),
            password=given.get("password"),
            expected_version=row.version,
            by=actor,
        )
        return etags.tagged(_shown(row))

    @extend_schema(responses={204: None}, summary="Remove an account on another server")
    def delete(self, request: Request, key: int) -> Response:
        """The mail that it has brought stays, here and there."""
        actor = actor_of(request)
        row = selectors.account_for(actor, key)
        etags.require_match(request, _shown(row), is_needed=False)
        services.remove(account=row, by=actor)
        return Response(status=204)


class RetrievalFetch(Endpoint):
    scope = "retrieval"

    @extend_schema(
        request=None, responses={202: RetrievalAccountOut}, summary="Fetch from an account now"
    )
    def post(self, request: Request, key: int) -> Response:
        """Within seconds, if the service runs."""
        actor = actor_of(request)
        row = services.fetch_now(account=selectors.account_for(actor, key), by=actor)
        return Response(_shown(row), status=202)


class RetrievalTestOut(Out):
    is_ok = serializers.BooleanField()
    text = serializers.CharField(help_text="What was found, in words.")


class RetrievalTest(Endpoint):
    scope = "retrieval"

    @extend_schema(
        request=None, responses=RetrievalTestOut, summary="Try an account on another server out"
    )
    def post(self, request: Request, key: int) -> Response:
        """Connects, encrypts and logs in; nothing is fetched. It may take most of a minute."""
        actor = actor_of(request)
        found = try_out(account=selectors.account_for(actor, key), by=actor)
        return Response({"is_ok": found.is_ok, "text": found.text})


def _values(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in services.FIELDS if name in given}


def _shown(row: RetrievalAccount) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "user": str(row.user),
        **values_of(row, services.FIELDS),
        "has_password": bool(row.password),
        "next_at": row.next_due_at,
        "last_run": {
            "at": row.last_run_at,
            "count": row.last_count,
            "error": row.last_error,
            "failures": row.failures,
        }
        if row.last_run_at is not None
        else None,
        "version": row.version,
    }


urlpatterns = [
    path("retrieval-accounts/", RetrievalAccounts.as_view(), name="retrieval-accounts"),
    path("retrieval-accounts/<int:key>/", RetrievalAccountView.as_view(), name="retrieval-account"),
    path(
        "retrieval-accounts/<int:key>/fetch/",
        RetrievalFetch.as_view(),
        name="retrieval-account-fetch",
    ),
    path(
        "retrieval-accounts/<int:key>/test/",
        RetrievalTest.as_view(),
        name="retrieval-account-test",
    ),
]
