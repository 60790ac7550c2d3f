"""What can be done to a domain from its row and its page (D-005…D-019), as far as it exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.urls import get_script_prefix, reverse

from accounts.models import User
from domains import switches
from panel import menu


@dataclass(frozen=True, slots=True)
class Action:
    """A page about one domain. `starts_group`: a line stands above it in a menu."""

    label: str
    icon: str
    url_name: str
    starts_group: bool = False
    feature: str = ""  # a switch of the domain; off: the action is shown and leads nowhere (D-012)


@dataclass(frozen=True, slots=True)
class ActionLink:
    label: str
    icon: str
    url: str  # empty: what it is about is switched off
    starts_group: bool


_EXAMPLE = "domain.example"

# Rooms that are built later only have to give their page the name that stands here; its one
# argument is the domain's name.
ACTIONS = (
    Action("Edit domain", "pencil", "panel:domain"),
    Action("Log in as domain admin", "log-in", "panel:domain-impersonate"),
    Action("Email users", "users", "panel:users", starts_group=True),
    Action("User aliases", "at-sign", "panel:aliases"),
    Action("Mailing lists", "list", "panel:lists", feature="mailing_lists"),
    Action("Domain aliases", "copy", "panel:domain-aliases"),
    Action("Spam filtering", "shield", "panel:spam-filtering"),
    Action("Content filtering", "funnel", "panel:content-filtering"),
    Action("Archive messages", "archive", "panel:domain-archive"),
    Action("Disk space", "hard-drive", "panel:domain-disk"),
    Action("DNS records", "network", "panel:dns"),
    Action("Mail signing", "key-round", "panel:signing"),
    Action("Limits in force", "chart-line", "panel:domain-limits"),
    Action("Reports", "chart-line", "panel:domain-reports"),
    Action("Owner", "user-cog", "panel:domain-owner"),
    Action("Reload domain", "refresh-cw", "panel:domain-reload", starts_group=True),
    Action("Rename domain", "text-cursor-input", "panel:domain-rename"),
)


def allowed_to(actor: User) -> list[Action]:
    """Those whose page exists and opens for the actor's role."""
    return [action for action in ACTIONS if actor.role in menu.roles_of(action.url_name, 1)]


def off_for(domain_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    """The features of actions that are switched off, by domain."""
    return switches.off_among(domain_ids, filter(None, (one.feature for one in ACTIONS)))


def links(actions: list[Action], name: str, *, off: Collection[str] = ()) -> Iterator[ActionLink]:
    """`off`: features that are switched off for the domain."""
    for action in actions:
        before, after = _around(action.url_name, get_script_prefix())
        url = "" if action.feature in off and action.feature else f"{before}{name}{after}"
        yield ActionLink(action.label, action.icon, url, action.starts_group)


@lru_cache(maxsize=8 * len(ACTIONS))
def _around(url_name: str, prefix: str) -> tuple[str, str]:
    """What stands before and behind the domain's name, an A-label, in the address of its page.

    `prefix` is that of all addresses now: windows of impersonations have their own.
    """
    before, _, after = reverse(url_name, args=(_EXAMPLE,)).partition(_EXAMPLE)
    return before, after
