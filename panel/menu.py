"""The left menu, as X-003 names it: an entry shows when its page exists and opens for the actor.

Rooms that are built later only have to give their page the name that stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from django.urls import NoReverseMatch, get_script_prefix, resolve, reverse

from accounts import permissions
from accounts.models import Role, User
from accounts.permissions import Verb
from archive import searching
from domains import switches
from mailinglists.permits import moderates_any


@dataclass(frozen=True, slots=True)
class Entry:
    """One page. `of_domain`: its address has the name of the actor's own domain.

    `feature`: a switch of the domain (D-060) that hides it from the domain's own people;
    `verb`: what the actor must be permitted, where his role alone does not tell; `is_open_for`:
    what else decides.
    """

    label: str
    icon: str
    url_name: str
    of_domain: bool = False
    feature: str = ""
    verb: Verb | None = None
    is_open_for: Callable[[User], bool] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as it stands on one page. `is_active`: this is the page, or one below it."""

    label: str
    icon: str
    url: str
    is_active: bool = False
    count: int = 0  # beside the label; 0: nothing


@dataclass(slots=True)
class ShownGroup:
    label: str
    entries: list[Shown] = field(default_factory=list)


MENU = (
    Group(
        "Manage",
        (
            Entry("Overview", "layout-dashboard", "panel:home"),
            Entry("Domains", "globe", "panel:domains"),
            Entry("New domain", "plus", "panel:domain-new"),
            Entry("Spool", "send", "panel:spool"),
            Entry("Waiting to deliver", "clock", "panel:spool-waiting"),
            Entry("Services", "power", "panel:services"),
            Entry("Online users", "users", "panel:online-users"),
            Entry("Inactive users", "user-x", "panel:inactive-users"),
            Entry("Connections", "cable", "panel:connections"),
            Entry("Current blocks", "shield-ban", "panel:blocks"),
            Entry("Send email", "megaphone", "panel:mass-email"),
            Entry("Send reminder", "bell", "panel:mass-reminder"),
            Entry("Archive search", "archive", "panel:archive", is_open_for=searching.is_open_for),
            Entry("View logs", "scroll-text", "panel:logs"),
            Entry("Recycle bin", "trash-2", "panel:recycle-bin"),
            Entry(
                "My lists", "list", "panel:my-lists", feature="mailing_lists",
                is_open_for=moderates_any,
            ),
            Entry("Impersonate user", "user-cog", "panel:impersonate", verb=Verb.IMPERSONATE),
        ),
    ),
    Group(
        "My domain",
        (
            Entry("Email users", "users", "panel:users", of_domain=True),
            Entry("User aliases", "at-sign", "panel:aliases", of_domain=True),
            Entry("Mailing lists", "list", "panel:lists", of_domain=True, feature="mailing_lists"),
            Entry(
                "Domain aliases", "copy", "panel:domain-aliases", of_domain=True,
                feature="domain_aliases",
            ),
            Entry(
                "Spam filtering", "shield", "panel:spam-filtering", of_domain=True,
                feature="spam_filtering",
            ),
            Entry(
                "Content filtering", "funnel", "panel:content-filtering", of_domain=True,
                feature="content_filtering",
            ),
            Entry("Event rules", "zap", "panel:domain-event-rules", of_domain=True),
            Entry("DNS", "network", "panel:dns", of_domain=True),
            Entry("Disk space", "hard-drive", "panel:domain-disk", of_domain=True),
            Entry("Limits", "chart-line", "panel:domain-limits", of_domain=True),
            Entry(
                "Reports", "chart-line", "panel:domain-reports", of_domain=True,
                feature="domain_reports",
            ),
            Entry("Audit trail", "history", "panel:domain-audit", of_domain=True),
        ),
    ),
    Group(
        "Reports",
        (
            Entry("Traffic", "chart-line", "panel:traffic", feature="domain_reports"),
            Entry("Server reports", "chart-line", "panel:system-reports"),
            Entry("Disk usage", "hard-drive", "panel:disk-usage"),
            Entry("My report", "chart-pie", "panel:my-report", feature="user_reports"),
            Entry("Mailed reports", "mail", "panel:mailed-reports", feature="email_reports"),
            Entry("Message trace", "route", "panel:trace"),
            Entry("Ledger", "file-text", "panel:ledger"),
            Entry("Audit trail", "history", "panel:audit"),
            Entry("Background jobs", "list-filter", "panel:jobs"),
        ),
    ),
    Group(
        "Settings",
        (
            Entry("Event rules", "zap", "panel:event-rules"),
            Entry("Abuse rules", "ban", "panel:abuse-rules"),
            Entry("Domain defaults", "text-cursor-input", "panel:domain-defaults"),
            Entry("Gateways", "route", "panel:gateways"),
            Entry("Resellers & API", "key-round", "panel:resellers"),
            Entry("Certificates", "shield-check", "panel:certificates"),
            Entry("Log-in provider", "log-in", "panel:login-provider"),
            Entry("Server settings", "settings", "panel:settings"),
            Entry("My account", "lock", "panel:account"),
            Entry("Help", "circle-question-mark", "panel:help-index"),
        ),
    ),
)  # fmt: skip


def shown_to(
    actor: User, path: str, counters: Mapping[str, int] = MappingProxyType({})
) -> list[ShownGroup]:
    """The menu for one page at `path`; empty groups are left out.

    `counters`: numbers beside the entries, by the name of their page.
    """
    groups = []
    off = _features_off(actor)
    for group in MENU:
        found = list(_entries(group, actor, counters, off))
        if found:
            groups.append(ShownGroup(group.label, found))
    return _with_active(groups, path)


def _entries(
    group: Group, actor: User, counters: Mapping[str, int], off: frozenset[str]
) -> Iterator[Shown]:
    for entry in group.entries:
        if (entry.of_domain and actor.domain is None) or entry.feature in off:
            continue
        if entry.verb and not permissions.may(actor, entry.verb, actor.domain):
            continue
        if entry.is_open_for and not entry.is_open_for(actor):
            continue
        arguments = (actor.domain.name,) if entry.of_domain and actor.domain else ()
        if actor.role in roles_of(entry.url_name, len(arguments)):
            url = reverse(entry.url_name, args=arguments)
            yield Shown(entry.label, entry.icon, url, count=counters.get(entry.url_name, 0))


@lru_cache(maxsize=512)
def roles_of(url_name: str, arguments: int = 0) -> frozenset[Role]:
    """For whom the page opens; nobody if there is no such page."""
    for example in ("a.example", "1"):
        try:
            url = reverse(url_name, args=(example,) * arguments)
        except NoReverseMatch:
            continue
        # In a window of an impersonation addresses have its prefix, which no pattern has.
        path = f"/{url.removeprefix(get_script_prefix())}"
        roles: frozenset[Role] = vars(resolve(path).func).get("roles", frozenset())
        return roles
    return frozenset()


def _features_off(actor: User) -> frozenset[str]:
    """Features that are off for the domain's own people."""
    if actor.domain_id is None:
        return frozenset()
    return frozenset(
        name for name, is_on in switches.in_force(actor.domain_id).items() if not is_on
    )


def _with_active(groups: list[ShownGroup], path: str) -> list[ShownGroup]:
    """Mark the entry whose address is the longest beginning of the path."""
    urls = [shown.url for group in groups for shown in group.entries]
    active = max((url for url in urls if path.startswith(url)), key=len, default="")
    home = reverse("panel:home")
    if active == home and path != home:
        active = ""
    for group in groups:
        group.entries = [replace(shown, is_active=shown.url == active) for shown in group.entries]
    return groups
