"""Who runs a list: its moderators within bounds, whoever administers its domain without."""

from __future__ import annotations

from collections.abc import Iterable

from accounts import permissions
from accounts.models import User
from accounts.permissions import Verb
from mailinglists.models import MailingList, Moderator
from mailinglists.services import MODERATORS_FIELDS


def may_manage(actor: User, mailing_list: MailingList) -> bool:
    """Whether all that can be set of the list is the actor's to set (U-005)."""
    return permissions.may(actor, Verb.CHANGE_LISTS, mailing_list.domain)


def verb_for(names: Iterable[str]) -> Verb | None:
    """What a door requires before these fields change; None: to run the list is enough."""
    return None if MODERATORS_FIELDS.issuperset(names) else Verb.CHANGE_LISTS


def moderates_any(actor: User) -> bool:
    """Whether there is something on the page "My lists"."""
    if actor.domain_id is None or not actor.is_active:
        return False
    return Moderator.objects.filter(user=actor).exists()
