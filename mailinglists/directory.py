"""Lists by number and who is on them, from this process's memory: the hot path of SMTP."""

from __future__ import annotations

from dataclasses import dataclass

from domains.directory import Memory
from domains.policy import KILOBYTE, MEGABYTE, Throttling
from mailinglists.models import MailingList, Moderator, PosterRule, Subscriber, SubscriberState


@dataclass(frozen=True, slots=True)
class ListPolicy:
    """A list as the listeners and the spool see it; None: no limit."""

    list_id: int
    domain_id: int
    local_part: str
    description: str
    posting: str  # models.Posting
    is_moderated: bool
    has_password: bool
    maximum_post_bytes: int | None
    replies_to: str  # models.RepliesTo
    subject_prefix: str
    takes_subscriptions: bool
    throttling: Throttling
    moderators: frozenset[int]  # accounts
    allowed: frozenset[str]  # keys of addresses, and @domain
    banned: frozenset[str]


_policies: Memory[int, ListPolicy | None] = Memory(limit=50_000)
# The second number makes a changed list's answers unreachable without a search for them.
_subscribed: Memory[tuple[int, int, str], bool] = Memory(limit=200_000)
_versions: dict[int, int] = {}


def policy(list_id: int, *, cached_only: bool = False) -> ListPolicy | None:
    """None: the list is gone. Raises domains.directory.Cold."""
    return _policies.ask(list_id, _read, cached_only=cached_only)


def moderators(list_id: int, cached_only: bool = False) -> frozenset[int]:
    """The accounts that run it, and may write in its name (N-023). Raises Cold."""
    found = policy(list_id, cached_only=cached_only)
    return frozenset() if found is None else found.moderators


def is_subscribed(list_id: int, key: str, *, cached_only: bool = False) -> bool:
    """Whether the address of that key (protocols.address.Address.key) is on the list.

    Who is suspended is still on it; who has not confirmed is not. Raises Cold.
    """
    asked = list_id, _versions.get(list_id, 0), key
    return _subscribed.ask(asked, _read_subscribed, cached_only=cached_only)


def forget(list_id: int) -> None:
    """Called for each note on Topic.MAILING_LIST."""
    _policies.forget(list_id)
    _versions[list_id] = _versions.get(list_id, 0) + 1


def clear() -> None:
    _policies.clear()
    _subscribed.clear()


def _read(list_id: int) -> ListPolicy | None:
    row = MailingList.objects.filter(pk=list_id).first()
    if row is None:
        return None
    living = Moderator.objects.filter(mailing_list=row, user__recycled=None)
    moderators = living.values_list("user_id", flat=True)
    rules = list(PosterRule.objects.filter(mailing_list=row).values_list("kind", "pattern"))
    kinds = PosterRule.Kind
    return ListPolicy(
        list_id=row.pk,
        domain_id=row.domain_id,
        local_part=row.local_part,
        description=row.description,
        posting=row.posting,
        is_moderated=row.is_moderated,
        has_password=bool(row.post_password),
        maximum_post_bytes=row.maximum_post_kb * KILOBYTE or None,
        replies_to=row.replies_to,
        subject_prefix=row.subject_prefix,
        takes_subscriptions=row.takes_subscriptions,
        throttling=_throttling(row),
        moderators=frozenset(moderators),
        allowed=frozenset(pattern for kind, pattern in rules if kind == kinds.ALLOW),
        banned=frozenset(pattern for kind, pattern in rules if kind == kinds.BAN),
    )


def _throttling(row: MailingList) -> Throttling:
    if not row.throttle_enabled:
        return Throttling(None, None, None)
    return Throttling(row.throttle_messages or None, row.throttle_mb * MEGABYTE or None, None)


def _read_subscribed(asked: tuple[int, int, str]) -> bool:
    list_id, _, key = asked
    rows = Subscriber.objects.filter(mailing_list=list_id, key=key)
    return rows.exclude(state=SubscriberState.UNCONFIRMED).exists()
