"""Whether mail may be fetched for a user now, and in which words he is told why not."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import directory as account_directory
from accounts.directory import AccountPolicy
from accounts.models import User
from domains import directory as domain_directory
from domains import switches
from domains.policy import DomainPolicy
from mailboxes import quota
from mailboxes.errors import QuotaExceeded, QuotaScope
from operations import settings as listener_settings
from retrieval.errors import Paused
from retrieval.models import Kind
from spool import freespace
from spool import settings as spool_settings

FEATURES = {Kind.POP3.value: "pop_retrieval", Kind.IMAP.value: "imap_retrieval"}

SWITCHED_OFF = "Fetching mail by {kind} is switched off for your domain."
USER_OFF = "Your mailbox is switched off."
DOMAIN_OFF = "Your domain is switched off for now."
NO_SPACE = "This server is short of disk space: nothing is fetched until there is room again."
FULL = {
    QuotaScope.ACCOUNT: "Your mailbox is full: nothing more is fetched until there is room.",
    QuotaScope.DOMAIN: "The space of your domain is used up: nothing more is fetched until there "
    "is room.",
}
FULL_ABOVE = "Your provider's space is used up: nothing more is fetched until there is room."


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Into which mail is fetched."""

    account: AccountPolicy
    domain: DomainPolicy

    @property
    def address(self) -> str:
        return account_directory.address(self.account, self.domain)


def mailbox_of(user_id: int, kind: str) -> Mailbox:
    """Raises Paused if nothing may be fetched for the user now."""
    account = account_directory.account(user_id)
    domain = None if account is None else domain_directory.policy(account.domain_id)
    if account is None or domain is None or not account.receives:
        raise Paused(USER_OFF)
    if domain.is_disabled or domain.is_closed:
        raise Paused(DOMAIN_OFF)
    if not switches.is_on(domain.domain_id, FEATURES[kind]):
        raise Paused(SWITCHED_OFF.format(kind=Kind(kind).label))
    return Mailbox(account, domain)


def require_room(mailbox: Mailbox, size_bytes: int) -> None:
    """Raises Paused if a message of that size does not fit here now."""
    if freespace.is_low(spool_settings.current()):
        raise Paused(NO_SPACE)
    try:
        quota.require_room(mailbox.account, size_bytes)
    except QuotaExceeded as error:
        raise Paused(full(error)) from None


def full(error: QuotaExceeded) -> str:
    return FULL.get(error.scope, FULL_ABOVE)


def largest_message() -> int | None:
    """In bytes, as for mail that is handed in; None: no limit."""
    return listener_settings.current().message_bytes


def switched_off(user: User, kind: str) -> bool:
    """Whether the user's domain has the feature off (D-072, D-073)."""
    return user.domain_id is None or not switches.is_on(user.domain_id, FEATURES[kind])
