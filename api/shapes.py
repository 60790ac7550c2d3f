"""How domains and users look in answers and requests; several endpoints speak of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts import administrators, aliases, apppasswords
from accounts.models import AppPassword, User, UserAlias
from accounts.services import PROFILE_FIELDS, USER_FIELDS
from api.fields import In, Out, Switch, Text, Words, of_model
from domains import selectors as domain_selectors
from domains import switches
from domains.checking import OPTIONS
from domains.models import TABS, Domain, DomainAlias
from domains.values import settable_fields
from mailinglists import room as lists_room

# --- domains -----------------------------------------------------------------------------------

TABS_IN: dict[str, Any] = {
    tab: of_model(f"{model.__name__}In", model, settable_fields(model))
    for tab, model in TABS.items()
}
TABS_OUT: dict[str, Any] = {
    tab: of_model(f"{model.__name__}Out", model, settable_fields(model), Out)
    for tab, model in TABS.items()
}
TabsIn: Any = type("TabsIn", (In,), {tab: kind(required=False) for tab, kind in TABS_IN.items()})
TabsOut: Any = type("TabsOut", (Out,), {tab: kind() for tab, kind in TABS_OUT.items()})
OptionsIn: Any = of_model("OptionsIn", Domain, OPTIONS)


class DomainRowOut(Out):
    """A domain in a list."""

    name = serializers.CharField(help_text="As an A-label (RFC 5890).")
    unicode_name = serializers.CharField()
    listen_ip = serializers.CharField(allow_null=True)
    list_command_address = serializers.CharField()
    is_disabled = serializers.BooleanField()
    is_deleting = serializers.BooleanField()
    reseller = serializers.CharField(allow_null=True, help_text="Null: the provider itself.")
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()


class UsageOut(Out):
    limit = serializers.CharField()
    used = serializers.IntegerField()
    allowed = serializers.IntegerField(allow_null=True, help_text="Null: no limit.")


class DomainOut(DomainRowOut):
    """One domain with all of its settings."""

    administrator = serializers.CharField(allow_null=True, help_text="The primary one.")
    aliases = serializers.ListField(child=serializers.CharField())
    tabs = TabsOut()
    withheld_features = serializers.ListField(
        child=serializers.CharField(),
        help_text="Off whatever their switches say: the plan, or the server, does not have them.",
    )
    usage = UsageOut(many=True)


def domain_row(domain: Domain) -> dict[str, Any]:
    ownership = getattr(domain, "ownership", None)
    return {
        "name": domain.name,
        "unicode_name": domain.unicode_name,
        "listen_ip": domain.listen_ip,
        "list_command_address": domain.list_command_address,
        "is_disabled": domain.is_disabled,
        "is_deleting": domain.is_deleting,
        "reseller": str(ownership.reseller) if ownership else None,
        "created_at": domain.created_at,
        "version": domain.version,
    }


def domain_shown(domain: Domain) -> dict[str, Any]:
    primary = administrators.primary(domain)
    return {
        **domain_row(domain),
        "administrator": primary.local_part if primary is not None else None,
        "aliases": [alias.name for alias in domain.aliases.all()],
        "tabs": {
            tab: values_of(domain_selectors.tab_of(domain, tab), settable_fields(model))
            for tab, model in TABS.items()
        },
        "withheld_features": sorted(switches.withheld(domain.pk)),
        "usage": [
            {"limit": one.limit, "used": one.used, "allowed": one.allowed}
            for one in lists_room.all_in_use(domain)
        ],
    }


class DomainAliasOut(Out):
    name = serializers.CharField(help_text="As an A-label.")
    unicode_name = serializers.CharField()
    domain = serializers.CharField()
    created_at = serializers.DateTimeField()


def domain_alias_shown(alias: DomainAlias) -> dict[str, Any]:
    return {
        "name": alias.name,
        "unicode_name": alias.unicode_name,
        "domain": alias.domain.name,
        "created_at": alias.created_at,
    }


# --- users -------------------------------------------------------------------------------------

UserValuesIn: Any = of_model("UserValuesIn", User, USER_FIELDS)


class NewUserIn(UserValuesIn):  # type: ignore[misc]
    """A mailbox to be."""

    address = Text(max_length=330, help_text="In a domain that you see.")
    password = Text(
        required=False, max_length=256, help_text="Left out: nobody can log in until one is set."
    )
    is_administrator = Switch(required=False, help_text="Of his domain.")


class LastActivityOut(Out):
    at = serializers.DateTimeField()
    service = serializers.CharField()
    client_address = serializers.CharField(allow_blank=True)


_UserValuesOut: Any = of_model("UserValuesOut", User, USER_FIELDS, Out)


class UserOut(_UserValuesOut):  # type: ignore[misc]
    """A mailbox and whose it is."""

    address = serializers.CharField()
    domain = serializers.CharField()
    role = serializers.CharField()
    is_primary_administrator = serializers.BooleanField()
    password_changed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    last_activity = LastActivityOut(allow_null=True)


def address_of(local_part: str, domain: Domain) -> str:
    return f"{local_part}@{domain.name}"


def user_shown(user: User) -> dict[str, Any]:
    activity = getattr(user, "last_activity", None)
    assert user.domain is not None
    return {
        "address": address_of(user.local_part, user.domain),
        "domain": user.domain.name,
        "role": user.role,
        "is_primary_administrator": user.is_primary_administrator,
        **values_of(user, USER_FIELDS),
        "password_changed_at": user.password_changed_at,
        "created_at": user.created_at,
        "version": user.version,
        "last_activity": {
            "at": activity.at,
            "service": activity.service,
            "client_address": activity.client_address,
        }
        if activity is not None
        else None,
    }


class PersonOut(Out):
    username = serializers.CharField()
    role = serializers.CharField()
    status = serializers.CharField()
    plan = serializers.CharField(allow_null=True, help_text="Null: no caps.")
    domains = serializers.IntegerField()
    full_name = serializers.CharField(allow_blank=True)
    reply_to = serializers.CharField(allow_blank=True)
    time_zone = serializers.CharField()
    language = serializers.CharField()
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()


def person_shown(user: User, *, domains: int) -> dict[str, Any]:
    on_plan = getattr(user, "reseller_plan", None)
    return {
        "username": user.local_part,
        "role": user.role,
        "status": user.status,
        "plan": on_plan.plan.name if on_plan is not None else None,
        "domains": domains,
        **values_of(user, PROFILE_FIELDS),
        "created_at": user.created_at,
        "version": user.version,
    }


class AppPasswordIn(In):
    name = Text(max_length=100)
    scopes = Words(
        required=False, length=10, help_text=f"Of {', '.join(apppasswords.SCOPES)}; empty: all."
    )


class AppPasswordOut(Out):
    id = serializers.IntegerField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    password = serializers.CharField(required=False, help_text="Told once, when it is made.")


def app_password_shown(row: AppPassword) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "scopes": row.scopes,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
    }


# --- aliases -----------------------------------------------------------------------------------


class AliasOut(Out):
    address = serializers.CharField()
    domain = serializers.CharField()
    targets = serializers.ListField(child=serializers.CharField())
    internal_only = serializers.BooleanField()
    may_send_as = serializers.BooleanField()
    in_address_list = serializers.BooleanField()
    created_at = serializers.DateTimeField()


def alias_shown(alias: UserAlias, targets: list[str] | None = None) -> dict[str, Any]:
    """`targets` None: they are looked up."""
    return {
        "address": address_of(alias.local_part, alias.domain),
        "domain": alias.domain.name,
        "targets": aliases.target_names(alias) if targets is None else targets,
        **values_of(alias, aliases.ALIAS_FIELDS),
        "created_at": alias.created_at,
    }


# --- what all have in common -------------------------------------------------------------------


def values_of(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
