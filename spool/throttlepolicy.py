"""Who pays for a recipient with his hour's allowance, and how much that is: from memory."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import directory as account_directory
from domains import directory as domain_directory
from domains.policy import Throttling
from mailinglists import directory as list_directory
from mailinglists.errors import ListUnknown
from mailinglists.selectors import list_by_address
from protocols.address import Address, MalformedAddress, parse_domain
from spool.models import Kind as MessageKind
from spool.models import Origin, Route
from spool.throttle import UNLIMITED, Allowance, Key, Kind
from spool.work import ClaimedMessage, ClaimedRecipient


@dataclass(frozen=True, slots=True)
class Payer:
    """One key with its allowance and its name, as people are told of it."""

    key: Key
    domain_id: int
    allowance: Allowance
    who: str


def keys_of(recipient: ClaimedRecipient) -> tuple[Key, ...]:
    """The domain that caused the delivery, before it its user who sent it, or its list (T-012)."""
    domain_id, message = recipient.ledger_domain_id, recipient.message
    return keys(domain_id, message.domain_id, message.sender_account_id, message.list_id)


def keys(
    ledger_domain_id: int | None,
    sender_domain_id: int | None,
    account_id: int | None,
    list_id: int | None = None,
) -> tuple[Key, ...]:
    """Where an alias of another domain leads out, that domain pays and not the writer."""
    if ledger_domain_id is None:
        return ()
    domain = Key(Kind.DOMAIN, ledger_domain_id)
    if sender_domain_id != ledger_domain_id:
        return (domain,)
    if list_id is not None:
        return Key(Kind.LIST, list_id), domain
    if account_id is None:
        return (domain,)
    return Key(Kind.USER, account_id), domain


def counts(recipient: ClaimedRecipient) -> bool:
    """T-001: what leaves this server, but neither bounces nor what the server itself announces."""
    return recipient.route == Route.REMOTE and not _is_exempt(recipient.message)


def _is_exempt(message: ClaimedMessage) -> bool:
    if message.kind in (MessageKind.BOUNCE, MessageKind.NOTICE):
        return True
    if message.kind != MessageKind.STANDARD:
        return False
    # A user could write from the null sender, too: who has logged in is always counted.
    is_from_nobody = not message.sender and message.sender_account_id is None
    return is_from_nobody or message.origin == Origin.SERVER


def payers(wanted: tuple[Key, ...], *, cached_only: bool = False) -> tuple[Payer, ...]:
    """Asks memory, and the database for what this process has not seen for a while."""
    found = (payer(key, cached_only=cached_only) for key in wanted)
    return tuple(one for one in found if one is not None)


def payer(key: Key, *, cached_only: bool = False) -> Payer | None:
    """None: whoever it was is gone. Raises domains.directory.Cold."""
    if key.kind is Kind.USER:
        account = account_directory.account(key.key_id, cached_only=cached_only)
        if account is None:
            return None
        domain = domain_directory.policy(account.domain_id, cached_only=cached_only)
        if domain is None:
            return None
        who = account_directory.address(account, domain)
        return Payer(key, domain.domain_id, allowance(account.throttling), who)
    if key.kind is Kind.LIST:
        mailing_list = list_directory.policy(key.key_id, cached_only=cached_only)
        if mailing_list is None:
            return None
        domain = domain_directory.policy(mailing_list.domain_id, cached_only=cached_only)
        if domain is None:
            return None
        who = f"{mailing_list.local_part}@{domain.name}"
        return Payer(key, domain.domain_id, allowance(mailing_list.throttling), who)
    domain = domain_directory.policy(key.key_id, cached_only=cached_only)
    if domain is None:
        return None
    return Payer(key, domain.domain_id, allowance(domain.throttling), domain.name)


class PayerUnknown(Exception):
    """There is no domain, user or mailing list of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        what = "user or mailing list" if "@" in self.name else "domain"
        return f"there is no {what} {self.name}"


def payer_by_name(name: str) -> Payer:
    """Of a domain, or of the address of a user or a list. Raises PayerUnknown."""
    found = payer(_key_by_name(name.strip()))
    if found is None:
        raise PayerUnknown(name)
    return found


def _key_by_name(name: str) -> Key:
    if "@" in name:
        account = account_directory.login(name, local_ip=None)
        if account is not None:
            return Key(Kind.USER, account.account_id)
        try:
            return Key(Kind.LIST, list_by_address(Address.parse(name)).pk)
        except (MalformedAddress, ListUnknown):
            raise PayerUnknown(name) from None
    try:
        domain = domain_directory.by_name(parse_domain(name))
    except MalformedAddress:
        domain = None
    if domain is None:
        raise PayerUnknown(name)
    return Key(Kind.DOMAIN, domain.domain_id)


def allowance(throttling: Throttling) -> Allowance:
    messages = throttling.outgoing_messages_per_hour
    sent_bytes = throttling.outgoing_bytes_per_hour
    bounces = throttling.bounces_received_per_hour
    if messages is None and sent_bytes is None and bounces is None:
        return UNLIMITED
    return Allowance(messages, sent_bytes, bounces)
