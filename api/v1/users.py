"""Mailboxes: list, add, read, change, set a password, delete, app passwords (U-010…U-023)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import administrators, apppasswords, permissions, selectors, services
from accounts.errors import UserUnknown
from accounts.models import AppPassword, Role, Status, User
from accounts.permissions import Verb
from accounts.services import USER_FIELDS
from administration import bulkjobs
from api import bulk, etags, pagination, shapes
from api.bulk import BulkResult
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Choice, In, Switch, Text, Words
from api.schema import page_of
from api.shapes import AppPasswordIn, AppPasswordOut, NewUserIn, UserOut, UserValuesIn
from api.v1 import jobs
from api.v1.jobs import JobOut
from domains.errors import DomainUnknown, Problem, ValuesRefused
from jobs import services as job_services
from jobs.models import Job

MOST_ADDRESSES = 20_000


class UserFilters(pagination.Paged):
    q = serializers.CharField(
        required=False, max_length=200, help_text="A part of the user name or the full name."
    )
    domain = serializers.CharField(required=False, max_length=253)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    is_administrator = serializers.BooleanField(required=False, allow_null=True, default=None)


class UserIn(UserValuesIn):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    is_administrator = Switch(required=False, help_text="Of his domain.")


class PasswordIn(In):
    password = Text(max_length=256)


class UsersIn(In):
    rows = serializers.ListField(child=NewUserIn(), min_length=1, max_length=bulk.MOST_ROWS)


class UserAction(In):
    action = Choice(choices=["enable", "disable", "delete"])
    addresses = Words(min_length=1, max_length=MOST_ADDRESSES, length=330)


NEW_USER = OpenApiExample(
    "A mailbox of 1 GB",
    {
        "address": "ann@shop.example",
        "password": "four plain words please",
        "full_name": "Ann Example",
        "mailbox_size_mb": 1000,
    },
    request_only=True,
)


class Users(Endpoint):
    scope = "users"

    @extend_schema(parameters=[UserFilters], responses=page_of(UserOut), summary="List users")
    def get(self, request: Request) -> Response:
        """The mailboxes of all domains in sight, or of one of them."""
        given = self.query(UserFilters)
        actor = actor_of(request)
        rows = _filtered(actor, selectors.users_for(actor).filter(domain__isnull=False), given)
        return pagination.page(request, given, rows, key="id", show=shapes.user_shown)

    @extend_schema(
        request=NewUserIn, responses={201: UserOut}, examples=[NEW_USER], summary="Add a user"
    )
    def post(self, request: Request) -> Response:
        """A mailbox. Domain and plan must have room for it: else 409 `limit-reached`."""
        user = _add(actor_of(request), self.read(NewUserIn))
        shown = shapes.user_shown(user)
        return etags.tagged(shown, status=201, Location=f"{request.path}{shown['address']}/")


class UserView(Endpoint):
    scope = "users"

    @extend_schema(responses=UserOut, summary="Read a user")
    def get(self, request: Request, address: str) -> Response:
        return etags.tagged(shapes.user_shown(seen(actor_of(request), address)))

    @extend_schema(request=UserIn, responses=UserOut, summary="Change a user")
    def patch(self, request: Request, address: str) -> Response:
        """Limits of the hour are set by those above the domain: resellers and the provider."""
        actor = actor_of(request)
        user = seen(actor, address)
        given = self.read(UserIn)
        _change(request, user, given, actor)
        return etags.tagged(shapes.user_shown(seen(actor, address)))

    @extend_schema(responses={204: None}, summary="Delete a user")
    def delete(self, request: Request, address: str) -> Response:
        """With all mail, and with aliases that lead nowhere else (U-010)."""
        actor = actor_of(request)
        user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
        etags.require_match(request, shapes.user_shown(user), is_needed=False)
        services.delete_user(user=user, by=actor)
        return Response(status=204)


class UserPassword(Endpoint):
    scope = "users"

    @extend_schema(request=PasswordIn, responses={204: None}, summary="Set a password")
    def post(self, request: Request, address: str) -> Response:
        """The old one opens nothing from now on, and its sessions end."""
        actor = actor_of(request)
        user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
        given = self.read(PasswordIn)
        services.set_password(user=user, password=given["password"], by=actor)
        return Response(status=204)


class UsersBulk(Endpoint):
    scope = "users"

    @extend_schema(request=UsersIn, responses={207: BulkResult}, summary="Add several users")
    def post(self, request: Request) -> Response:
        """Each row by itself: the answer has a result for every one of them."""
        actor = actor_of(request)
        rows = self.read(UsersIn)["rows"]
        body = bulk.each(
            rows, lambda row: _add(actor, row), name=lambda row: str(row["address"]), status=201
        )
        return bulk.respond(body)


class UserActions(Endpoint):
    scope = "users"

    @extend_schema(
        request=UserAction,
        responses={207: BulkResult, 202: JobOut},
        summary="Act on several users",
    )
    def post(self, request: Request) -> Response:
        """Each address by itself: the answer has a result for every one of them.

        More than 100: 202 with a job, whose `result` says how many were done, and which were
        refused, why.
        """
        actor = actor_of(request)
        given = self.read(UserAction)
        addresses = list(dict.fromkeys(given["addresses"]))
        if len(addresses) > bulkjobs.MOST_AT_ONCE:
            return jobs.accepted(_start(given["action"], addresses, actor))

        def act(address: str) -> None:
            user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
            if given["action"] == "delete":
                services.delete_user(user=user, by=actor)
                return
            status = Status.ENABLED if given["action"] == "enable" else Status.DISABLED
            services.change_user(user=user, values={"status": status.value}, by=actor)

        return bulk.respond(bulk.each(addresses, act, name=str))


class AppPasswords(Endpoint):
    scope = "users"

    @extend_schema(
        parameters=[pagination.Paged],
        responses=page_of(AppPasswordOut),
        summary="List app passwords",
    )
    def get(self, request: Request, address: str) -> Response:
        """Never the passwords themselves."""
        given = self.query(pagination.Paged)
        rows = seen(actor_of(request), address).app_passwords.all()
        return pagination.page(request, given, rows, key="id", show=shapes.app_password_shown)

    @extend_schema(
        request=AppPasswordIn, responses={201: AppPasswordOut}, summary="Make an app password"
    )
    def post(self, request: Request, address: str) -> Response:
        """For one program of the user (U-015); the password is told this once."""
        actor = actor_of(request)
        user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
        given = self.read(AppPasswordIn)
        row, password = apppasswords.add(
            user=user, name=given["name"], scopes=given.get("scopes", ()), by=actor
        )
        shown = {**shapes.app_password_shown(row), "password": password}
        return Response(shown, status=201, headers={"Location": f"{request.path}{row.pk}/"})


class AppPasswordView(Endpoint):
    scope = "users"

    @extend_schema(responses={204: None}, summary="Remove an app password")
    def delete(self, request: Request, address: str, key: int) -> Response:
        """It opens nothing from now on."""
        actor = actor_of(request)
        user = selectors.user_for(actor, address, verb=Verb.CHANGE_USERS)
        row = AppPassword.objects.filter(user=user, pk=key).first() if key < 2**63 else None
        if row is None:
            raise NotFound
        apppasswords.remove(app_password=row, by=actor)
        return Response(status=204)


def seen(actor: User, address: str) -> User:
    """Raises UserUnknown. An ordinary user sees himself."""
    if actor.role != Role.USER:
        return selectors.user_for(actor, address)
    user = selectors.users_for(actor).first()
    if user is None or shapes.user_shown(user)["address"] != address.lower():
        raise UserUnknown(address)
    return user


def _start(action: str, addresses: list[str], actor: User) -> Job:
    count = len(addresses)
    if action == "delete":
        return job_services.start(bulkjobs.delete_users, by=actor, total=count, addresses=addresses)
    status = Status.ENABLED if action == "enable" else Status.DISABLED
    return job_services.start(
        bulkjobs.set_users, by=actor, total=count, addresses=addresses, status=status.value
    )


def _filtered(actor: User, rows: QuerySet[User], given: dict[str, Any]) -> QuerySet[User]:
    if "domain" in given:
        rows = rows.filter(domain=selectors.domain_for(actor, given["domain"]))
    if "q" in given:
        rows = rows.filter(Q(local_part__icontains=given["q"]) | Q(full_name__icontains=given["q"]))
    if "status" in given:
        rows = rows.filter(status=given["status"])
    if given["is_administrator"] is not None:
        administrating = Q(role=Role.DOMAIN_ADMINISTRATOR)
        rows = rows.filter(administrating if given["is_administrator"] else ~administrating)
    return rows


def _add(actor: User, given: dict[str, Any]) -> User:
    local_part, _, name = given["address"].rpartition("@")
    try:
        domain = selectors.domain_for(actor, name)
    except DomainUnknown:
        problem = Problem("address", "its domain is none of yours")
        raise ValuesRefused((problem,)) from None
    values = {name: value for name, value in given.items() if name in USER_FIELDS}
    for verb in services.verbs_to_change(values):
        permissions.require(actor, verb, domain)
    if given.get("is_administrator"):
        permissions.require(actor, Verb.CHANGE_ADMINISTRATORS, domain)
    return services.add_user(
        domain=domain,
        username=local_part,
        password=given.get("password"),
        is_administrator=given.get("is_administrator", False),
        values=values,
        by=actor,
    )


def _change(request: Request, user: User, given: dict[str, Any], actor: User) -> None:
    assert user.domain is not None
    values = {name: value for name, value in given.items() if name in USER_FIELDS}
    for verb in services.verbs_to_change(values):
        permissions.require(actor, verb, user.domain)
    is_administrator = given.get("is_administrator")
    if is_administrator is not None:
        permissions.require(actor, Verb.CHANGE_ADMINISTRATORS, user.domain)
    etags.require_match(request, shapes.user_shown(user))
    services.change_user(user=user, values=values, by=actor, expected_version=user.version)
    if is_administrator is not None:
        change = administrators.grant if is_administrator else administrators.revoke
        change(user=user, by=actor)


urlpatterns = [
    path("users/", Users.as_view(), name="users"),
    path("users/bulk/", UsersBulk.as_view(), name="users-bulk"),
    path("users/actions/", UserActions.as_view(), name="user-actions"),
    path("users/<str:address>/", UserView.as_view(), name="user"),
    path("users/<str:address>/password/", UserPassword.as_view(), name="user-password"),
    path("users/<str:address>/app-passwords/", AppPasswords.as_view(), name="app-passwords"),
    path(
        "users/<str:address>/app-passwords/<int:key>/",
        AppPasswordView.as_view(),
        name="app-password",
    ),
]
