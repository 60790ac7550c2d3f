"""Who is kept out: blocks, the rules that make them, blacklist and whitelist (M-050…M-071)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import Verb
from api import bulk, etags, finding, pagination
from api.access import client_address
from api.bulk import BulkResult
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, In, Number, Out, Switch, Text, Words, of_model
from api.schema import page_of
from api.shapes import values_of
from operations import blocks, listing, rules, useractivity
from operations.models import AbuseRule, BlacklistEntry, Block, WhitelistEntry

LONGEST_BLOCK_SECONDS = 10 * 366 * 86_400


class BlockIn(In):
    network = Text(max_length=49, help_text="An address, or a network such as 192.0.2.0/24.")
    seconds = Number(min_value=1, max_value=LONGEST_BLOCK_SECONDS)
    service = Text(required=False, allow_blank=True, max_length=10, help_text="Empty: every one.")
    note = Text(required=False, allow_blank=True, max_length=200)


class BlockOut(Out):
    id = serializers.IntegerField()
    network = serializers.CharField(allow_blank=True)
    service = serializers.CharField(allow_blank=True)
    kind = serializers.CharField(allow_blank=True, help_text="Empty: made by hand.")
    is_notice = serializers.BooleanField()
    note = serializers.CharField(allow_blank=True)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    hits = serializers.IntegerField()


class BlockFilters(pagination.Paged):
    service = serializers.CharField(required=False, default="", max_length=10)
    kind = serializers.CharField(required=False, default="", max_length=12)
    network = serializers.CharField(
        required=False, default="", max_length=49, help_text="How it begins."
    )


class Blocks(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(parameters=[BlockFilters], responses=page_of(BlockOut), summary="List blocks")
    def get(self, request: Request) -> Response:
        """Those whose time is not over."""
        given = self.query(BlockFilters)
        rows = blocks.blocks_for(
            actor_of(request), service=given["service"], kind=given["kind"], text=given["network"]
        )
        return pagination.page(request, given, rows, key="id", show=_block)

    @extend_schema(request=BlockIn, responses={201: BlockOut}, summary="Block a network")
    def post(self, request: Request) -> Response:
        """This server's own addresses and the whitelist are never blocked."""
        row = blocks.add(by=actor_of(request), **self.read(BlockIn))
        return etags.tagged(_block(row), status=201, Location=f"{request.path}{row.pk}/")


class BlockView(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=BlockOut, summary="Read a block")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_block(finding.one(blocks.blocks_for(actor_of(request)), key)))

    @extend_schema(responses={204: None}, summary="Lift a block")
    def delete(self, request: Request, key: int) -> Response:
        """At once; rules may block the party again, from zero."""
        actor = actor_of(request)
        blocks.lift(block=finding.one(blocks.blocks_for(actor), key), by=actor)
        return Response(status=204)


def _block(row: Block) -> dict[str, Any]:
    names = ("network", "service", "kind", "is_notice", "note", "since", "until", "hits")
    return {"id": row.pk, **values_of(row, names)}


# --- rules ---------------------------------------------------------------------------------------

RuleIn: Any = of_model("RuleIn", AbuseRule, rules.FIELDS)
_RuleShown: Any = of_model("RuleShown", AbuseRule, rules.FIELDS, Out)


class RuleOut(_RuleShown):  # type: ignore[misc]
    id = serializers.IntegerField()


class NewRuleIn(RuleIn):  # type: ignore[misc]
    kind = serializers.CharField(max_length=12)
    window_seconds = Number(min_value=0, max_value=2**31 - 1)
    threshold = Number(min_value=0, max_value=2**31 - 1)
    block_seconds = Number(min_value=0, max_value=2**31 - 1)


class Rules(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(RuleOut), summary="List abuse rules"
    )
    def get(self, request: Request) -> Response:
        given = self.query(pagination.Paged)
        rows = rules.rules_for(actor_of(request))
        return pagination.page(request, given, rows, key="id", show=_rule)

    @extend_schema(request=NewRuleIn, responses={201: RuleOut}, summary="Add an abuse rule")
    def post(self, request: Request) -> Response:
        row = rules.add(values=self.read(NewRuleIn), by=actor_of(request))
        return etags.tagged(_rule(row), status=201, Location=f"{request.path}{row.pk}/")


class RuleView(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=RuleOut, summary="Read an abuse rule")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_rule(finding.one(rules.rules_for(actor_of(request)), key)))

    @extend_schema(request=RuleIn, responses=RuleOut, summary="Change an abuse rule")
    def patch(self, request: Request, key: int) -> Response:
        """What was counted so far is forgotten."""
        actor, given = actor_of(request), self.read(RuleIn)
        with transaction.atomic():
            row = finding.one(rules.rules_for(actor).select_for_update(), key)
            etags.require_match(request, _rule(row))
            row = rules.change(rule=row, values=given, by=actor)
        return etags.tagged(_rule(row))

    @extend_schema(responses={204: None}, summary="Delete an abuse rule")
    def delete(self, request: Request, key: int) -> Response:
        """Its blocks stay until their time is over."""
        actor = actor_of(request)
        row = finding.one(rules.rules_for(actor), key)
        etags.require_match(request, _rule(row), is_needed=False)
        rules.delete(rule=row, by=actor)
        return Response(status=204)


class PresetIn(In):
    preset = Choice(choices=list(rules.PRESETS))


class RulesOut(Out):
    items = RuleOut(many=True)


class RulesPreset(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(request=PresetIn, responses=RulesOut, summary="Apply a preset of abuse rules")
    def post(self, request: Request) -> Response:
        """The rules that it names are set to it, the others stay."""
        actor, preset = actor_of(request), self.read(PresetIn)["preset"]
        rules.apply_preset(preset, by=actor)
        return Response({"items": [_rule(row) for row in rules.rules_for(actor).order_by("pk")]})


def _rule(row: AbuseRule) -> dict[str, Any]:
    return {"id": row.pk, **values_of(row, rules.FIELDS)}


# --- blacklist and whitelist ---------------------------------------------------------------------


class EntryIn(In):
    """What is given changes, the rest stays."""

    services = Words(
        required=False, length=10, help_text=f"Of {', '.join(listing.SERVICES)}; empty: all."
    )
    note = Text(required=False, allow_blank=True, max_length=200)


class NewEntryIn(EntryIn):
    network = Text(max_length=49, help_text="An address, or a network such as 192.0.2.0/24.")


class EntryOut(Out):
    id = serializers.IntegerField()
    network = serializers.CharField()
    services = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class WhitelistEntryIn(EntryIn):
    skips_greylisting = Switch(required=False)


class NewWhitelistEntryIn(NewEntryIn):
    skips_greylisting = Switch(required=False)


class WhitelistEntryOut(EntryOut):
    skips_greylisting = serializers.BooleanField()


class Blacklist(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(EntryOut), summary="List the blacklist"
    )
    def get(self, request: Request) -> Response:
        """Networks that never come in."""
        given = self.query(pagination.Paged)
        rows = listing.blacklist_for(actor_of(request))
        return pagination.page(request, given, rows, key="id", show=_entry)

    @extend_schema(request=NewEntryIn, responses={201: EntryOut}, summary="Add to the blacklist")
    def post(self, request: Request) -> Response:
        """Open connections from there are cut. It must not contain the address you ask from."""
        given = self.read(NewEntryIn)
        network, address = given.pop("network"), client_address(request)
        row = useractivity.blacklist_network(
            network, by=actor_of(request), actor_address=address, **given
        )
        return etags.tagged(_entry(row), status=201, Location=f"{request.path}{row.pk}/")


class BlacklistView(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=EntryOut, summary="Read a blacklist entry")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_entry(finding.one(_blacklist(actor_of(request)), key)))

    @extend_schema(request=EntryIn, responses=EntryOut, summary="Change a blacklist entry")
    def patch(self, request: Request, key: int) -> Response:
        actor = actor_of(request)
        return _change(request, _blacklist(actor), key, self.read(EntryIn), actor)

    @extend_schema(responses={204: None}, summary="Remove from the blacklist")
    def delete(self, request: Request, key: int) -> Response:
        actor = actor_of(request)
        listing.remove(row=finding.one(_blacklist(actor), key), by=actor)
        return Response(status=204)


class Whitelist(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[pagination.Paged],
        responses=page_of(WhitelistEntryOut),
        summary="List the whitelist",
    )
    def get(self, request: Request) -> Response:
        """Networks that are never blocked."""
        given = self.query(pagination.Paged)
        rows = listing.whitelist_for(actor_of(request))
        return pagination.page(request, given, rows, key="id", show=_entry)

    @extend_schema(
        request=NewWhitelistEntryIn,
        responses={201: WhitelistEntryOut},
        summary="Add to the whitelist",
    )
    def post(self, request: Request) -> Response:
        row = listing.add(WhitelistEntry, by=actor_of(request), **self.read(NewWhitelistEntryIn))
        return etags.tagged(_entry(row), status=201, Location=f"{request.path}{row.pk}/")


class WhitelistView(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=WhitelistEntryOut, summary="Read a whitelist entry")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_entry(finding.one(_whitelist(actor_of(request)), key)))

    @extend_schema(
        request=WhitelistEntryIn, responses=WhitelistEntryOut, summary="Change a whitelist entry"
    )
    def patch(self, request: Request, key: int) -> Response:
        actor = actor_of(request)
        return _change(request, _whitelist(actor), key, self.read(WhitelistEntryIn), actor)

    @extend_schema(responses={204: None}, summary="Remove from the whitelist")
    def delete(self, request: Request, key: int) -> Response:
        actor = actor_of(request)
        listing.remove(row=finding.one(_whitelist(actor), key), by=actor)
        return Response(status=204)


class NewEntriesIn(In):
    rows = serializers.ListField(child=NewEntryIn(), min_length=1, max_length=bulk.MOST_ROWS)


class NewWhitelistEntriesIn(In):
    rows = serializers.ListField(
        child=NewWhitelistEntryIn(), min_length=1, max_length=bulk.MOST_ROWS
    )


class BlacklistBulk(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=NewEntriesIn, responses={207: BulkResult}, summary="Add several to the blacklist"
    )
    def post(self, request: Request) -> Response:
        """Each row by itself: the answer has a result for every one of them."""
        rows = self.read(NewEntriesIn)["rows"]
        return _add_each(BlacklistEntry, rows, actor_of(request))


class WhitelistBulk(Endpoint):
    scope = "blocks"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=NewWhitelistEntriesIn,
        responses={207: BulkResult},
        summary="Add several to the whitelist",
    )
    def post(self, request: Request) -> Response:
        """Each row by itself: the answer has a result for every one of them."""
        rows = self.read(NewWhitelistEntriesIn)["rows"]
        return _add_each(WhitelistEntry, rows, actor_of(request))


def _add_each(model: type[Any], rows: list[dict[str, Any]], actor: User) -> Response:
    def add(row: dict[str, Any]) -> None:
        listing.add(model, by=actor, **row)

    return bulk.respond(bulk.each(rows, add, name=lambda row: str(row["network"]), status=201))


def _blacklist(actor: User) -> QuerySet[BlacklistEntry]:
    return listing.blacklist_for(actor)


def _whitelist(actor: User) -> QuerySet[WhitelistEntry]:
    return listing.whitelist_for(actor)


def _change(
    request: Request, rows: QuerySet[Any], key: int, given: dict[str, Any], actor: User
) -> Response:
    with transaction.atomic():
        row = finding.one(rows.select_for_update(), key)
        etags.require_match(request, _entry(row))
        row = listing.change(row=row, values=given, by=actor)
    return etags.tagged(_entry(row))


def _entry(row: BlacklistEntry | WhitelistEntry) -> dict[str, Any]:
    shown = {"id": row.pk, **values_of(row, ("network", "services", "note", "created_at"))}
    if isinstance(row, WhitelistEntry):
        shown["skips_greylisting"] = row.skips_greylisting
    return shown


urlpatterns = [
    path("blocks/", Blocks.as_view(), name="blocks"),
    path("blocks/<int:key>/", BlockView.as_view(), name="block"),
    path("abuse-rules/", Rules.as_view(), name="abuse-rules"),
    path("abuse-rules/preset/", RulesPreset.as_view(), name="abuse-rules-preset"),
    path("abuse-rules/<int:key>/", RuleView.as_view(), name="abuse-rule"),
    path("blacklist/", Blacklist.as_view(), name="blacklist"),
    path("blacklist/bulk/", BlacklistBulk.as_view(), name="blacklist-bulk"),
    path("blacklist/<int:key>/", BlacklistView.as_view(), name="blacklist-entry"),
    path("whitelist/", Whitelist.as_view(), name="whitelist"),
    path("whitelist/bulk/", WhitelistBulk.as_view(), name="whitelist-bulk"),
    path("whitelist/<int:key>/", WhitelistView.as_view(), name="whitelist-entry"),
]
