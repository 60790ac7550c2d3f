"""Where an address leads: mailboxes, other servers, nowhere. One resolver for all doors (U-032)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from accounts import directory, forwarding
from accounts.directory import AccountPolicy, Entry, Kind
from accounts.models import CATCH_ALL
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from mailboxes import quota
from protocols.address import Address, fold, split_detail
from protocols.srs import NotRewritten
from spool import relaydomains, rewriting, settings
from spool.errors import (
    AccountDisabled,
    AddressUnknown,
    AliasLoop,
    DomainBusy,
    DomainDisabled,
    ForwardingForbidden,
    NotForOutsiders,
    RelayDenied,
)
from spool.lists import addresses
from spool.models import Route
from spool.relaydomains import RelayPolicy

# Local parts that always reach somebody: the primary administrator (RFC 2142, RFC 5321 §4.5.1).
ROLE_NAMES = frozenset({"postmaster", "abuse"})
# Aliases may lead to aliases; deeper nesting than this is taken for a loop.
MAXIMUM_ALIAS_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Target:
    """One final recipient."""

    address: str
    route: Route
    account: AccountPolicy | None = None  # LOCAL
    domain_id: int | None = None  # the mailbox's domain; REMOTE: that of the alias, if by one
    destination: str = ""  # REMOTE: the domain whose servers receive


@dataclass(frozen=True, slots=True)
class Resolution:
    """`via` says by which step the targets were found: user, forward, alias, catch-all, role,
    list, command, remote, relay domain, returned."""

    targets: tuple[Target, ...]
    via: str
    # Whose server must know the recipient before its mail is taken (G-016); None: nobody's.
    to_verify: RelayPolicy | None = None
    banned: tuple[str, ...] = ()  # left out, as nothing is to be forwarded there (G-047)


@dataclass(frozen=True, slots=True)
class Question:
    """What about the sender decides where an address may lead."""

    sender: str  # envelope sender; empty: null
    may_relay: bool  # logged in, or on a listed network
    submitter_domain_id: int | None = None  # of the logged-in user
    submitter_account_id: int | None = None  # who it is
    local_ip: str | None = None  # None: not by a listener
    size_bytes: int = 0  # as announced; 0: unknown
    is_exempt: bool = False  # a full mailbox takes it too (D-083)
    cached_only: bool = False


def resolve(recipient: Address, question: Question) -> Resolution:
    """Raises a fact of `spool.errors`, `mailboxes.errors.QuotaExceeded`, or Cold."""
    name = recipient.domain
    if not name:
        return _bare_postmaster(recipient, question)
    domain = domain_directory.by_name(name, cached_only=question.cached_only)
    if domain is None or not domain.listens_on(question.local_ip):
        return _remote(recipient, question)
    if domain.is_closed:
        raise DomainBusy(domain.name)
    if domain.is_disabled:
        raise DomainDisabled(domain.name)
    found = _find(domain, fold(recipient.local_part), question)
    if found is None or (found[0] == "catch-all" and not question.sender):
        # What was forwarded from here comes back, whatever a catch-all would take (U-036).
        returned = _returned(domain, recipient, question)
        if returned is not None:
            return returned
    if found is None:
        raise AddressUnknown(recipient.encode())
    via, entry = found
    if entry.internal_only and question.submitter_domain_id != domain.domain_id:
        raise NotForOutsiders(recipient.encode())
    return _followed(domain, recipient, via, entry, question)


def _followed(
    domain: DomainPolicy, recipient: Address, via: str, entry: Entry, question: Question
) -> Resolution:
    """Where the entry leads, without what nothing may be forwarded to."""
    seen = {(domain.domain_id, fold(recipient.local_part))}
    local_part = fold(recipient.local_part)
    addresses.require_welcome(domain, entry, local_part, question)
    targets = tuple(_expand(domain, entry, local_part, question, seen))
    unique = tuple({target.address: target for target in targets}.values())
    if not unique:
        raise AddressUnknown(recipient.encode())
    if via == "user" and (len(unique) > 1 or unique[0].account is None):
        via = "forward"
    allowed = tuple(target for target in unique if not _is_banned(target, question))
    if not allowed:
        raise ForwardingForbidden(recipient.encode())
    _require_receivers(recipient, allowed, question)
    banned = tuple(target.address for target in unique if target not in allowed)
    return Resolution(allowed, via, banned=banned)


def _returned(domain: DomainPolicy, recipient: Address, question: Question) -> Resolution | None:
    """A report about mail that was forwarded from here goes on to who wrote the mail (U-036).

    None: the recipient is no address under which mail has left.
    """
    if question.sender:
        return None
    try:
        sender = rewriting.restore(recipient.local_part)
    except NotRewritten:
        return None
    targets = tuple(_follow(sender, domain.domain_id, question, set()))
    if not targets:
        raise AddressUnknown(recipient.encode())
    return Resolution(targets, "returned")


def _remote(recipient: Address, question: Question) -> Resolution:
    relayed = relaydomains.by_name(recipient.domain, cached_only=question.cached_only)
    if relayed is not None and not recipient.carries_route:
        target = Target(recipient.encode(), Route.REMOTE, None, None, recipient.domain)
        return Resolution((target,), "relay domain", None if question.may_relay else relayed)
    if not question.may_relay:
        # D-026: from the moment that a domain is saved its mail is taken.
        if domain_directory.is_new(recipient.domain, cached_only=question.cached_only):
            return resolve(recipient, question)
        raise RelayDenied(recipient.encode())
    target = Target(recipient.encode(), Route.REMOTE, None, None, recipient.domain)
    return Resolution((target,), "remote")


def _is_banned(target: Target, question: Question) -> bool:
    """G-047: a forward from before the entry stops; D-054 lets its domain do as it likes."""
    if target.route != Route.REMOTE or target.domain_id is None:
        return False
    cached_only = question.cached_only
    if not forwarding.is_banned(target.destination, cached_only=cached_only):
        return False
    domain = domain_directory.policy(target.domain_id, cached_only=cached_only)
    return domain is None or not domain.technical.bypass_forward_blacklist


def _bare_postmaster(recipient: Address, question: Question) -> Resolution:
    """`RCPT TO:<postmaster>` without a domain reaches the server's own (RFC 5321 §4.5.1)."""
    postmaster = settings.current(cached_only=question.cached_only).postmaster
    if fold(recipient.local_part) != "postmaster" or not postmaster:
        raise AddressUnknown(recipient.encode())
    return resolve(Address.parse(postmaster), question)


def _find(domain: DomainPolicy, local_part: str, question: Question) -> tuple[str, Entry] | None:
    """User, alias, list, command address, +detail, role, catch-all: in that order."""
    cached_only = question.cached_only
    entry = directory.lookup(domain.domain_id, local_part, cached_only=cached_only)
    if entry is not None:
        return entry.kind.value, entry
    base, detail = split_detail(local_part)
    if detail is not None:
        entry = directory.lookup(domain.domain_id, base, cached_only=cached_only)
        if entry is not None and _takes_detail(entry, base, cached_only):
            return entry.kind.value, entry
    if local_part in ROLE_NAMES:
        administrator = directory.primary_administrator(domain.domain_id, cached_only=cached_only)
        if administrator is not None:
            return "role", Entry(Kind.USER, administrator)
    if domain.features.catch_alls:
        entry = directory.lookup(domain.domain_id, CATCH_ALL, cached_only=cached_only)
        # U-034: bounces to made-up addresses are backscatter, unless somebody wants them.
        if entry is not None and (question.sender or entry.takes_reports):
            return "catch-all", entry
    return None


def _takes_detail(entry: Entry, base: str, cached_only: bool) -> bool:
    if entry.kind == Kind.LIST:
        return addresses.takes_detail(entry, base, cached_only)
    if entry.kind != Kind.USER:
        return entry.kind == Kind.ALIAS
    account = directory.account(entry.object_id, cached_only=cached_only)
    return account is not None and account.plus_addressing


def _expand(
    domain: DomainPolicy,
    entry: Entry,
    local_part: str,
    question: Question,
    seen: set[tuple[int, str]],
) -> Iterator[Target]:
    """Follow aliases to mailboxes and foreign addresses; a target that is gone is left out."""
    if entry.kind == Kind.USER:
        account = directory.account(entry.object_id, cached_only=question.cached_only)
        if account is None:
            return
        forwards = _forward(account, question, seen) if account.forward_to else ()
        # What is not sent on, or not everywhere, is never lost (G-047).
        if not forwards or account.keep_forwarded or any(_is_banned(t, question) for t in forwards):
            address = directory.address(account, domain)
            yield Target(address, Route.LOCAL, account, domain.domain_id)
        yield from forwards
        return
    if entry.kind != Kind.ALIAS:
        for account_id in addresses.readers(domain, entry, local_part, question.cached_only):
            yield from _expand(domain, Entry(Kind.USER, account_id), "", question, seen)
        if addresses.is_for_agent(domain, entry, local_part, question.cached_only):
            address = Address(local_part, domain.name).encode()
            yield Target(address, Route.LIST, None, domain.domain_id)
        return
    for target in entry.targets:
        if target.account_id is not None:
            yield from _expand(domain, Entry(Kind.USER, target.account_id), "", question, seen)
        else:
            further = Address(target.local_part, target.domain_name)
            yield from _follow(further, domain.domain_id, question, seen)


def _forward(
    account: AccountPolicy, question: Question, seen: set[tuple[int, str]]
) -> list[Target]:
    """Where a user has his mail sent on to; what leads in a circle is left out (U-036)."""
    if not account.receives:
        return []
    seen = seen | {(account.domain_id, account.local_part)}
    targets: list[Target] = []
    for text in account.forward_to:
        address = Address.parse(text)
        with contextlib.suppress(AliasLoop):
            targets += _follow(address, account.domain_id, question, seen)
    return targets


def _follow(
    address: Address, from_domain_id: int, question: Question, seen: set[tuple[int, str]]
) -> Iterator[Target]:
    domain = domain_directory.by_name(address.domain, cached_only=question.cached_only)
    if domain is None:
        yield Target(address.encode(), Route.REMOTE, None, from_domain_id, address.domain)
        return
    key = (domain.domain_id, fold(address.local_part))
    if key in seen or len(seen) >= MAXIMUM_ALIAS_DEPTH:
        raise AliasLoop(address.encode())
    found = None if domain.is_disabled else _find(domain, key[1], question)
    if found is not None:
        yield from _expand(domain, found[1], key[1], question, seen | {key})


def _require_receivers(recipient: Address, targets: tuple[Target, ...], question: Question) -> None:
    """Refuse now what no target can take; where one can, the rest waits or bounces later."""
    refusal: Exception | None = None
    for target in targets:
        if target.account is None:
            return
        try:
            if not target.account.receives:
                raise AccountDisabled(recipient.encode())
            if not question.is_exempt:
                quota.require_room(
                    target.account, question.size_bytes, cached_only=question.cached_only
                )
        except (AccountDisabled, quota.QuotaExceeded) as error:
            refusal = error
        else:
            return
    if refusal is not None:
        raise refusal
