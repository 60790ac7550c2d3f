"""Who may do what: roles to verbs, within what is switched on for the domain (U-001…U-004, D-060).

The same gate for the panel, the API, webmail and jobs. What an actor may not even see is the
business of `accounts.selectors`: it does not exist for him.
"""

from __future__ import annotations

from enum import StrEnum

from accounts.errors import FeatureOff, NotPermitted
from accounts.models import DomainOwnership, Role, User
from accounts.settings import LOGIN
from domains import switches
from domains.models import Domain


class Verb(StrEnum):
    """What can be done to a domain and what is in it; the server's own pages are MANAGE_SERVER."""

    VIEW = "view"
    OPEN_DOMAIN = "open_domain"
    CLOSE_DOMAIN = "close_domain"
    DISABLE_DOMAIN = "disable_domain"
    RENAME_DOMAIN = "rename_domain"
    CHANGE_OPTIONS = "change_options"
    CHANGE_TECHNICAL = "change_technical"
    CHANGE_FEATURES = "change_features"
    CHANGE_LIMITS = "change_limits"
    CHANGE_SHARING = "change_sharing"
    CHANGE_PRIORITY = "change_priority"
    CHANGE_THROTTLING = "change_throttling"
    CHANGE_EVENT_RESTRICTIONS = "change_event_restrictions"
    CHANGE_ADMINISTRATORS = "change_administrators"
    CHANGE_USERS = "change_users"
    CHANGE_USER_THROTTLING = "change_user_throttling"
    CHANGE_SERVICE_ACCESS = "change_service_access"
    CHANGE_ALIASES = "change_aliases"
    CHANGE_CATCH_ALL = "change_catch_all"
    CHANGE_DOMAIN_ALIASES = "change_domain_aliases"
    CHANGE_SIGNING = "change_signing"
    CHANGE_LISTS = "change_lists"
    IMPERSONATE = "impersonate"
    MANAGE_SERVER = "manage_server"


OF_DOMAIN_ADMINISTRATORS = frozenset(
    {
        Verb.VIEW,
        Verb.CHANGE_ADMINISTRATORS,
        Verb.CHANGE_USERS,
        Verb.CHANGE_SERVICE_ACCESS,
        Verb.CHANGE_ALIASES,
        Verb.CHANGE_CATCH_ALL,
        Verb.CHANGE_DOMAIN_ALIASES,
        Verb.CHANGE_SIGNING,
        Verb.CHANGE_LISTS,
        Verb.IMPERSONATE,
    }
)

VERBS: dict[str, frozenset[Verb]] = {
    Role.SYSTEM_ADMINISTRATOR: frozenset(Verb),
    Role.RESELLER: frozenset(Verb) - {Verb.MANAGE_SERVER},
    # U-002: never the own limits, features, priority, throttling, paths or ports.
    Role.DOMAIN_ADMINISTRATOR: OF_DOMAIN_ADMINISTRATORS,
    Role.USER: frozenset(),
}

# Switched off, the verb is withheld from the domain's own people; those above keep it (D-016).
FEATURES = {
    Verb.CHANGE_CATCH_ALL: "catch_alls",
    Verb.CHANGE_DOMAIN_ALIASES: "domain_aliases",
    Verb.CHANGE_SERVICE_ACCESS: "service_access_control",
    Verb.CHANGE_SIGNING: "mail_signing",
    Verb.CHANGE_LISTS: "mailing_lists",
}


def may(actor: User, verb: Verb, domain: Domain | None = None) -> bool:
    """Whether the actor may; `domain` None: for what is not about one domain."""
    try:
        require(actor, verb, domain)
    except (NotPermitted, FeatureOff):
        return False
    return True


def require(actor: User, verb: Verb, domain: Domain | None = None) -> None:
    """Raises NotPermitted, or FeatureOff where only the domain's switch is in the way."""
    if not actor.is_active or verb not in VERBS[actor.role] or _is_withheld(actor, verb):
        raise NotPermitted(verb)
    if domain is None:
        if actor.domain_id is not None:
            raise NotPermitted(verb)
        return
    if not is_within_reach(actor, domain):
        raise NotPermitted(verb)
    feature = FEATURES.get(verb)
    if feature is not None and actor.role == Role.DOMAIN_ADMINISTRATOR:
        require_feature(domain, feature)


def require_feature(domain: Domain, feature: str) -> None:
    """Raises FeatureOff (D-060)."""
    if not switches.is_on(domain.pk, feature):
        raise FeatureOff(feature)


def require_sight_of_mail(actor: User) -> None:
    """Raises NotPermitted: who is logged in as another may be kept from reading mail (U-061)."""
    if actor.is_impersonated and not LOGIN.read().impersonators_may_read_mail:
        raise NotPermitted(Verb.VIEW)


def _is_withheld(actor: User, verb: Verb) -> bool:
    """Domain administrators log in as their users only if the provider lets them (U-061)."""
    return (
        verb == Verb.IMPERSONATE
        and actor.role == Role.DOMAIN_ADMINISTRATOR
        and not LOGIN.read().administrators_may_impersonate
    )


def is_within_reach(actor: User, domain: Domain) -> bool:
    """Whether the domain is the actor's own, one of the reseller's, or any for the provider."""
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return True
    if actor.role == Role.RESELLER:
        return DomainOwnership.objects.filter(domain=domain, reseller=actor).exists()
    return actor.domain_id == domain.pk
