"""Lists, their people and what waits, for services and pages; hot paths ask `directory`."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts import permissions
from accounts import selectors as account_selectors
from accounts.models import LocalPart, Role, User
from accounts.permissions import Verb
from domains import selectors as domain_selectors
from domains.errors import DomainUnknown
from domains.lookups import begins_with
from domains.models import Domain
from mailinglists.errors import HeldPostUnknown, ListUnknown, SubscriberUnknown
from mailinglists.models import HeldPost, MailingList, Subscriber, SubscriberState
from protocols.address import Address, MalformedAddress, fold


def lists_of(domain: Domain) -> QuerySet[MailingList]:
    """All lists of a domain, by name."""
    return MailingList.objects.filter(domain=domain).order_by("local_part")


def public_lists(domain: Domain) -> QuerySet[MailingList]:
    """Those of which anybody is told (L-033)."""
    return lists_of(domain).filter(is_public=True)


def list_by_address(address: Address) -> MailingList:
    """The list of that own address, by any name of its domain. Raises ListUnknown."""
    try:
        domain = domain_selectors.by_name(address.domain)
    except DomainUnknown:
        raise ListUnknown(address.encode()) from None
    return list_by_name(domain, address.local_part)


def list_by_name(domain: Domain, name: str) -> MailingList:
    """Raises ListUnknown."""
    row = lists_of(domain).select_related("domain").filter(local_part=fold(name)).first()
    if row is None:
        raise ListUnknown(f"{name}@{domain.name}")
    return row


def list_behind(domain: Domain, local_part: str) -> MailingList:
    """The list that has this local part, its own or one with an ending. Raises ListUnknown."""
    taken = LocalPart.objects.filter(
        domain=domain, local_part=fold(local_part), kind=LocalPart.Kind.LIST
    ).first()
    rows = MailingList.objects.select_related("domain")
    row = rows.filter(pk=taken.object_id).first() if taken else None
    if row is None:
        raise ListUnknown(f"{local_part}@{domain.name}")
    return row


def lists_for(actor: User) -> QuerySet[MailingList]:
    """Those of the domains in sight; a user sees the lists that he moderates (U-005)."""
    rows = MailingList.objects.select_related("domain").filter(domain__recycled=None)
    if not actor.is_active:
        return rows.none()
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    if actor.role == Role.RESELLER:
        return rows.filter(domain__ownership__reseller=actor)
    if actor.role == Role.DOMAIN_ADMINISTRATOR:
        return rows.filter(domain=actor.domain_id or 0)
    return rows.filter(moderators__user=actor)


def list_for(actor: User, address: str, *, verb: Verb | None = None) -> MailingList:
    """`verb` None: what moderators may, too (L-011).

    Raises ListUnknown for what is out of sight, NotPermitted and FeatureOff for the verb.
    """
    local_part, _, name = address.rpartition("@")
    try:
        domain = domain_selectors.by_name(name)
    except DomainUnknown:
        raise ListUnknown(address) from None
    row = lists_for(actor).filter(domain=domain, local_part=fold(local_part)).first()
    if row is None:
        raise ListUnknown(address)
    require(actor, row, verb=verb)
    return row


def domain_for(actor: User, name: str) -> Domain:
    """Where the actor may make lists. Raises DomainUnknown, NotPermitted, FeatureOff."""
    return account_selectors.domain_for(actor, name, verb=Verb.CHANGE_LISTS)


def require(actor: User, mailing_list: MailingList, *, verb: Verb | None = None) -> None:
    """Raises NotPermitted, FeatureOff. `verb` None: moderators may, besides administrators."""
    is_moderator = mailing_list.moderators.filter(user=actor).exists() and actor.is_active
    if verb is None and is_moderator:
        permissions.require_feature(mailing_list.domain, "mailing_lists")
        return
    permissions.require(actor, verb or Verb.CHANGE_LISTS, mailing_list.domain)


def subscribers(
    mailing_list: MailingList,
    *,
    text: str = "",
    state: str = "",
    mode: str = "",
    after: int | None = None,
) -> QuerySet[Subscriber]:
    """In the order in which they came; `after`: the id of the last one seen (keyset).

    `text`: the beginning of the address. The caller slices.
    """
    rows = Subscriber.objects.filter(mailing_list=mailing_list)
    if text:
        rows = rows.filter(begins_with("key", fold(text)))
    if state:
        rows = rows.filter(state=state)
    if mode:
        rows = rows.filter(mode=mode)
    if after is not None:
        rows = rows.filter(id__gt=after)
    return rows.order_by("id")


def subscriber_of(mailing_list: MailingList, address: str) -> Subscriber:
    """Raises SubscriberUnknown."""
    try:
        key = Address.parse(address).key
    except MalformedAddress:
        raise SubscriberUnknown(address) from None
    row = Subscriber.objects.filter(mailing_list=mailing_list, key=key).first()
    if row is None:
        raise SubscriberUnknown(address)
    row.mailing_list = mailing_list
    return row


def subscriptions_of(address: Address, *, domain: Domain | None = None) -> QuerySet[Subscriber]:
    """The lists an address is on, in one domain or all (L-037)."""
    rows = Subscriber.objects.select_related("mailing_list__domain").filter(key=address.key)
    rows = rows.exclude(state=SubscriberState.UNCONFIRMED)
    if domain is not None:
        rows = rows.filter(mailing_list__domain=domain)
    return rows.order_by("mailing_list__local_part")


def held_posts(mailing_list: MailingList) -> QuerySet[HeldPost]:
    """The oldest first."""
    return HeldPost.objects.filter(mailing_list=mailing_list).order_by("id")


def held_post_for(actor: User, post_id: int) -> HeldPost:
    """Raises HeldPostUnknown, NotPermitted, FeatureOff."""
    rows = HeldPost.objects.select_related("mailing_list__domain")
    row = rows.filter(pk=post_id, mailing_list__in=lists_for(actor).values("pk")).first()
    if row is None:
        raise HeldPostUnknown(post_id)
    require(actor, row.mailing_list)
    return row


def waiting_for(actor: User) -> QuerySet[HeldPost]:
    """All that waits on the lists in sight."""
    return HeldPost.objects.filter(
        Q(mailing_list__in=lists_for(actor).values("pk"))
    ).select_related("mailing_list__domain")
