"""Addresses of lists and the command address: who takes their mail, and from whom."""

from __future__ import annotations

from typing import Protocol

from accounts import directory as account_directory
from accounts.directory import Entry, Kind
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from mailinglists import directory, rules
from mailinglists.addresses import Part, part_of
from mailinglists.directory import ListPolicy
from mailinglists.models import Posting
from mailinglists.rules import Poster, Verdict
from protocols.address import Address, MalformedAddress, fold
from spool.errors import PostRefused, PostTooLarge


class Asked(Protocol):
    """What of `spool.routing.Question` decides here."""

    @property
    def sender(self) -> str: ...
    @property
    def submitter_account_id(self) -> int | None: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def cached_only(self) -> bool: ...


def find(
    domain: DomainPolicy, local_part: str, *, cached_only: bool = False
) -> tuple[ListPolicy, Part] | None:
    """The list and which of its addresses a local part (folded) is; None: no list has it."""
    base = local_part.partition("+")[0]
    entry = account_directory.lookup(domain.domain_id, base, cached_only=cached_only)
    return _list_of(entry, local_part, cached_only) if entry is not None else None


def takes_detail(entry: Entry, base: str, cached_only: bool) -> bool:
    """Only the address of bounces has something behind a plus: the subscriber."""
    found = _list_of(entry, base, cached_only)
    return found is not None and found[1] is Part.BOUNCES


def is_for_agent(domain: DomainPolicy, entry: Entry, local_part: str, cached_only: bool) -> bool:
    """Whether the spool's agent takes the mail; with D-070 off nobody does."""
    if not domain.features.mailing_lists or entry.kind not in (Kind.LIST, Kind.COMMAND):
        return False
    if entry.kind == Kind.COMMAND:
        return True
    found = _list_of(entry, local_part, cached_only)
    return found is not None and found[1] is not Part.OWNER


def readers(
    domain: DomainPolicy, entry: Entry, local_part: str, cached_only: bool
) -> tuple[int, ...]:
    """The accounts that get mail to the owner of a list: its moderators, else the administrator."""
    if entry.kind != Kind.LIST or not domain.features.mailing_lists:
        return ()
    found = _list_of(entry, local_part, cached_only)
    if found is None or found[1] is not Part.OWNER:
        return ()
    if found[0].moderators:
        return tuple(sorted(found[0].moderators))
    administrator = account_directory.primary_administrator(
        domain.domain_id, cached_only=cached_only
    )
    return () if administrator is None else (administrator,)


def require_welcome(domain: DomainPolicy, entry: Entry, local_part: str, asked: Asked) -> None:
    """Refuse at RCPT whom the envelope shows already to be unwelcome (L-004, L-014).

    Raises PostRefused, PostTooLarge, or Cold.
    """
    if entry.kind != Kind.LIST or not domain.features.mailing_lists:
        return
    found = _list_of(entry, local_part, asked.cached_only)
    if found is None or found[1] is not Part.POSTS:
        return
    policy = found[0]
    address = f"{policy.local_part}@{domain.name}"
    limit = maximum_bytes(policy, domain)
    if limit is not None and asked.size_bytes > limit:
        raise PostTooLarge(address, asked.size_bytes, limit)
    keys = (sender,) if (sender := key_of(asked.sender)) else ()
    if not keys:
        raise PostRefused(address, rules.NO_SENDER.words)
    poster = poster_of(
        policy, keys, account_id=asked.submitter_account_id, cached_only=asked.cached_only
    )
    decision = rules.may_write(policy, poster)
    if decision.verdict is Verdict.REFUSE:
        raise PostRefused(address, decision.words)


def poster_of(
    policy: ListPolicy,
    keys: tuple[str, ...],
    *,
    account_id: int | None,
    cached_only: bool = False,
) -> Poster:
    """Who the addresses say it is. Raises Cold."""
    is_subscribed = bool(keys)
    if policy.posting == Posting.SUBSCRIBERS:
        own = _own_key(account_id, cached_only)
        wanted = (own,) if own else keys
        is_subscribed = any(
            all(
                directory.is_subscribed(policy.list_id, key, cached_only=cached_only) for key in one
            )
            for one in (keys, wanted)
        )
    claimed = _claimed_account(keys, cached_only) if policy.moderators else None
    return Poster(keys, account_id, claimed, is_subscribed)


def maximum_bytes(policy: ListPolicy, domain: DomainPolicy) -> int | None:
    """Of one post (L-014); None: no limit."""
    if policy.maximum_post_bytes is not None:
        return policy.maximum_post_bytes
    return domain.limits.max_message_bytes


def key_of(address: str) -> str:
    """Empty: no address, as that of the null sender."""
    try:
        parsed = Address.parse(address)
    except MalformedAddress:
        return ""
    return parsed.key if parsed.domain else ""


def _list_of(entry: Entry, local_part: str, cached_only: bool) -> tuple[ListPolicy, Part] | None:
    if entry.kind != Kind.LIST:
        return None
    policy = directory.policy(entry.object_id, cached_only=cached_only)
    if policy is None:
        return None
    part = part_of(policy.local_part, local_part)
    return None if part is None else (policy, part)


def _own_key(account_id: int | None, cached_only: bool) -> str:
    """Who is logged in is known under his own address, too, whichever he writes as."""
    account = (
        None
        if account_id is None
        else account_directory.account(account_id, cached_only=cached_only)
    )
    domain = (
        None
        if account is None
        else domain_directory.policy(account.domain_id, cached_only=cached_only)
    )
    if account is None or domain is None:
        return ""
    return key_of(account_directory.address(account, domain))


def _claimed_account(keys: tuple[str, ...], cached_only: bool) -> int | None:
    for key in keys:
        local_part, _, name = key.rpartition("@")
        domain = domain_directory.by_name(name, cached_only=cached_only)
        if domain is not None:
            entry = account_directory.lookup(
                domain.domain_id, fold(local_part), cached_only=cached_only
            )
            if entry is not None and entry.kind == Kind.USER:
                return entry.object_id
    return None
