"""Domains: list, open, read, change, close, and what is done to several of them (D-001…D-042)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import aliases, editing, permissions, provisioning, selectors, services
from accounts.models import CATCH_ALL, Role, User, UserAlias
from accounts.permissions import Verb
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from administration import bulkjobs
from api import bulk, etags, pagination, shapes
from api.bulk import BulkResult
from api.endpoints import Endpoint, actor_of
from api.errors import NameFixed
from api.fields import Choice, In, Out, Switch, Text, Words
from api.schema import page_of
from api.shapes import DomainOut, DomainRowOut, OptionsIn, TabsIn
from api.v1 import jobs
from api.v1.jobs import JobOut
from domains.checking import OPTIONS
from domains.errors import Problem, ValuesRefused
from domains.models import TABS, Domain
from jobs import services as job_services

MOST_NAMES = 20_000
TAB_VERBS = {tab: Verb(f"change_{tab}") for tab in TABS}


class AdministratorIn(In):
    """The first administrator of a new domain (D-037…D-039)."""

    username = Text(max_length=64)
    password = Text(max_length=256)
    full_name = Text(required=False, allow_blank=True, max_length=200)


class NewDomainIn(OptionsIn):  # type: ignore[misc]
    name = Text(max_length=253, help_text="Letters of any script; it is kept as an A-label.")
    administrator = AdministratorIn()
    reseller = Text(
        required=False, max_length=64, help_text="For system administrators: whose it will be."
    )
    folder_path = Text(
        required=False, help_text="For system administrators: absolute; else below the data."
    )
    tabs = TabsIn(required=False)


class DomainIn(OptionsIn):  # type: ignore[misc]
    """What is given changes, the rest stays; all or nothing."""

    name = Text(
        required=False,
        max_length=253,
        help_text="As it is; another one is refused: `/rename/` gives it.",
    )
    administrator = Text(
        required=False, max_length=64, help_text="The user name of the primary one to be."
    )
    reseller = Text(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="For system administrators: hands it over; null: to the provider itself.",
    )
    tabs = TabsIn(required=False)


class DomainFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")
    is_disabled = serializers.BooleanField(required=False, allow_null=True, default=None)
    reseller = serializers.CharField(required=False, max_length=64)


class Confirmation(In):
    confirm = serializers.CharField(
        max_length=253, help_text="The domain's name again: there is no way back (D-009)."
    )


class DomainChoice(In):
    """Everything that is given must fit."""

    q = Text(required=False, max_length=200, help_text="A part of the name.")
    is_disabled = Switch(required=False)
    reseller = Text(required=False, max_length=64)


class DomainAction(In):
    """Either `names`, or `filter`, or `all` says which domains."""

    action = Choice(choices=["enable", "disable", "delete"])
    names = Words(required=False, min_length=1, max_length=MOST_NAMES, length=253)
    filter = DomainChoice(required=False)
    all = Switch(required=False, help_text="All domains in sight.")
    confirm = Switch(required=False, help_text="Must be true to delete.")


class CatchAllShape(In):
    targets = Words(max_length=100, help_text="Who gets mail for unknown names; empty: nobody.")
    takes_reports = Switch(
        required=False,
        help_text="Mail without a sender, which is what reports are, comes in, too; not given: "
        "as it was.",
    )


class CatchAllOut(Out):
    targets = serializers.ListField(child=serializers.CharField())
    takes_reports = serializers.BooleanField()


NEW_DOMAIN = OpenApiExample(
    "A domain with room for 20 mailboxes",
    {
        "name": "shop.example",
        "administrator": {"username": "postmaster", "password": "four plain words please"},
        "tabs": {"limits": {"users": 20, "disk_space_mb": 5000}},
    },
    request_only=True,
)


class Domains(Endpoint):
    scope = "domains"

    @extend_schema(
        parameters=[DomainFilters], responses=page_of(DomainRowOut), summary="List domains"
    )
    def get(self, request: Request) -> Response:
        """The domains in sight: all for a system administrator, a reseller's own for him."""
        given = self.query(DomainFilters)
        rows = _filtered(seen_by(actor_of(request)), given)
        return pagination.page(request, given, rows, key="name", show=shapes.domain_row)

    @extend_schema(
        request=NewDomainIn,
        responses={201: DomainOut},
        examples=[NEW_DOMAIN],
        summary="Open a domain",
    )
    def post(self, request: Request) -> Response:
        """A domain with its settings and its first administrator.

        A reseller's plan must have room for it: else 409 `limit-reached`, with `limit`,
        `allowed` and `used`.
        """
        actor = actor_of(request)
        permissions.require(actor, Verb.OPEN_DOMAIN)
        given = self.read(NewDomainIn)
        new = _new_domain(actor, given)
        domain = provisioning.open_domain(new=new, by=actor)
        shown = shapes.domain_shown(domain)
        return etags.tagged(shown, status=201, Location=f"{request.path}{domain.name}/")


class DomainView(Endpoint):
    scope = "domains"

    @extend_schema(responses=DomainOut, summary="Read a domain")
    def get(self, request: Request, name: str) -> Response:
        """With all tabs of its settings, its limits and what is used of them."""
        domain = selectors.domain_for(actor_of(request), name)
        return etags.tagged(shapes.domain_shown(domain))

    @extend_schema(request=DomainIn, responses=DomainOut, summary="Change a domain")
    def patch(self, request: Request, name: str) -> Response:
        """Set what is given, all or nothing. Another `name`: 400 `name-fixed` (D-031)."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name)
        given = self.read(DomainIn)
        _require_verbs(actor, domain, given)
        if given.get("name", domain.name) not in (domain.name, domain.unicode_name):
            raise NameFixed(domain.name)
        etags.require_match(request, shapes.domain_shown(domain))
        _change(domain, given, actor)
        return etags.tagged(shapes.domain_shown(selectors.domain_for(actor, name)))

    @extend_schema(parameters=[Confirmation], responses={204: None}, summary="Delete a domain")
    def delete(self, request: Request, name: str) -> Response:
        """With all accounts and all mail. It cannot be undone."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.CLOSE_DOMAIN)
        if self.query(Confirmation)["confirm"] not in (domain.name, domain.unicode_name):
            raise ValuesRefused((Problem("confirm", "must be the domain's name"),))
        etags.require_match(request, shapes.domain_shown(domain), is_needed=False)
        provisioning.close_domain(domain=domain, by=actor)
        return Response(status=204)


DISABLE = OpenApiExample(
    "All domains of one reseller",
    {"action": "disable", "filter": {"reseller": "rob"}},
    request_only=True,
)


class DomainActions(Endpoint):
    scope = "domains"

    @extend_schema(
        request=DomainAction,
        responses={207: BulkResult, 202: JobOut},
        examples=[DISABLE],
        summary="Act on several domains",
    )
    def post(self, request: Request) -> Response:
        """Enable or disable up to 100: 207 with a result for each name. More of them, or
        deleting: 202 with a job, whose `result` says how many were done, and which were refused,
        why."""
        actor = actor_of(request)
        given = self.read(DomainAction)
        names = _names(actor, given)
        if given["action"] == "delete":
            return self._delete(actor, names, is_sure=given.get("confirm", False))
        is_disabled = given["action"] == "disable"
        if len(names) > bulkjobs.MOST_AT_ONCE:
            arguments = {"names": names, "is_disabled": is_disabled}
            return jobs.accepted(
                job_services.start(bulkjobs.set_domains, by=actor, total=len(names), **arguments)
            )

        def change(name: str) -> None:
            domain = selectors.domain_for(actor, name, verb=Verb.DISABLE_DOMAIN)
            options = {"is_disabled": is_disabled}
            provisioning.change_options(domain=domain, options=options, by=actor)

        return bulk.respond(bulk.each(names, change, name=str))

    def _delete(self, actor: User, names: list[str], *, is_sure: bool) -> Response:
        if not is_sure:
            raise ValuesRefused((Problem("confirm", "must be true to delete"),))
        permissions.require(actor, Verb.CLOSE_DOMAIN)
        return jobs.accepted(
            job_services.start(bulkjobs.close_domains, by=actor, total=len(names), names=names)
        )


class CatchAll(Endpoint):
    scope = "aliases"

    @extend_schema(responses=CatchAllOut, summary="Read the catch-all")
    def get(self, request: Request, name: str) -> Response:
        """Who gets mail for names that nobody has (U-034)."""
        return etags.tagged(_catch_all(selectors.domain_for(actor_of(request), name)))

    @extend_schema(request=CatchAllShape, responses=CatchAllOut, summary="Set the catch-all")
    def put(self, request: Request, name: str) -> Response:
        """Who gets mail for names that nobody has; no targets: such mail is refused."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_CATCH_ALL)
        given = self.read(CatchAllShape)
        etags.require_match(request, _catch_all(domain))
        targets = given.pop("targets")
        aliases.set_catch_all(domain=domain, targets=targets, values=given, by=actor)
        return etags.tagged(_catch_all(domain))


def seen_by(actor: User) -> QuerySet[Domain]:
    return selectors.domains_for(actor).select_related("ownership__reseller")


def _names(actor: User, given: dict[str, Any]) -> list[str]:
    """Of the domains that are meant. Raises ValuesRefused."""
    named = [name for name in ("names", "filter", "all") if given.get(name)]
    if len(named) != 1:
        raise ValuesRefused((Problem("names", "exactly one of names, filter and all is needed"),))
    if named == ["names"]:
        return list(dict.fromkeys(given["names"]))
    chosen = {"is_disabled": None, **given.get("filter", {})}
    rows = _filtered(selectors.domains_for(actor), chosen).order_by("name")
    names = list(rows.values_list("name", flat=True)[: MOST_NAMES + 1])
    if not names or len(names) > MOST_NAMES:
        reason = f"must fit at least one domain and at most {MOST_NAMES:,}"
        raise ValuesRefused((Problem(named[0], reason),))
    return names


def reseller_named(actor: User, username: str | None) -> User | None:
    """Raises NotPermitted, ValuesRefused. None: the provider itself."""
    permissions.require(actor, Verb.MANAGE_SERVER)
    if username is None:
        return None
    found = User.objects.filter(
        domain=None, role=Role.RESELLER, local_part=username.lower()
    ).first()
    if found is None:
        raise ValuesRefused((Problem("reseller", "there is no such reseller"),))
    return found


def _filtered(rows: QuerySet[Domain], given: dict[str, Any]) -> QuerySet[Domain]:
    if "q" in given:
        rows = rows.filter(unicode_name__icontains=given["q"])
    if given["is_disabled"] is not None:
        rows = rows.filter(is_disabled=given["is_disabled"])
    if "reseller" in given:
        rows = rows.filter(ownership__reseller__local_part=given["reseller"].lower())
    return rows


def _new_domain(actor: User, given: dict[str, Any]) -> NewDomain:
    reseller: User | None = actor if actor.role == Role.RESELLER else None
    if "reseller" in given:
        reseller = reseller_named(actor, given["reseller"])
    admin = given["administrator"]
    verifiers = services.new_verifiers(admin["password"], admin["username"])
    return NewDomain(
        name=given["name"],
        administrator=NewUser(
            username=admin["username"],
            verifiers=verifiers,
            values={"full_name": admin.get("full_name", "")},
        ),
        options={name: given[name] for name in OPTIONS if name in given},
        tabs=given.get("tabs", {}),
        folder_path=given.get("folder_path"),
        reseller=reseller,
    )


def _require_verbs(actor: User, domain: Domain, given: dict[str, Any]) -> None:
    """Raises NotPermitted, FeatureOff."""
    for tab in given.get("tabs", {}):
        permissions.require(actor, TAB_VERBS[tab], domain)
    if "administrator" in given:
        permissions.require(actor, Verb.CHANGE_ADMINISTRATORS, domain)
    options = set(OPTIONS) & given.keys()
    if "is_disabled" in options:
        permissions.require(actor, Verb.DISABLE_DOMAIN, domain)
    if options - {"is_disabled"}:
        permissions.require(actor, Verb.CHANGE_OPTIONS, domain)
    if "reseller" in given:
        permissions.require(actor, Verb.MANAGE_SERVER)


def _change(domain: Domain, given: dict[str, Any], actor: User) -> None:
    if "reseller" in given:
        reseller = reseller_named(actor, given["reseller"])
        provisioning.hand_over(domain=domain, reseller=reseller, by=actor)
    editing.change_domain(
        domain=domain,
        by=actor,
        options={name: given[name] for name in OPTIONS if name in given},
        tabs=given.get("tabs", {}),
        administrator=given.get("administrator"),
        expected_version=domain.version,
    )


def _catch_all(domain: Domain) -> dict[str, Any]:
    alias = UserAlias.objects.filter(domain=domain, local_part=CATCH_ALL).first()
    if alias is None:
        return {"targets": [], "takes_reports": False}
    return {"targets": aliases.target_names(alias), "takes_reports": alias.takes_reports}


urlpatterns = [
    path("domains/", Domains.as_view(), name="domains"),
    path("domains/actions/", DomainActions.as_view(), name="domain-actions"),
    path("domains/<str:name>/", DomainView.as_view(), name="domain"),
    path("domains/<str:name>/catch-all/", CatchAll.as_view(), name="catch-all"),
]
