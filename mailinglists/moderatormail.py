"""Moderators decide about posts by the words that are mailed to them (L-005).

A word is one moderator's, stands for one post, and ends with it: what was decided once cannot be
decided again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef

from accounts import directory as account_directory
from blobs.errors import StoreError
from blobs.ids import new_id
from domains import directory as domain_directory
from domains.policy import DomainPolicy
from events import audit
from mailinglists import directory, letters, links, moderation, signedids, tokens
from mailinglists.errors import HeldPostUnknown, TokenRefused
from mailinglists.models import HeldPost, MailingList, Token

# So many posts are shown in one message; the others come in further ones.
SHOWN_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Notice:
    """Posts of one list that wait, and what their moderators are to be sent.

    `tokens` are rows to be written with it: where a post has one it has been told of.
    """

    post_ids: tuple[int, ...]
    tokens: tuple[Token, ...]
    messages: tuple[EmailMessage, ...]


def held_behind(word: str, *, now: datetime) -> Token:
    """What a moderator's word is about: `held_post`, and for whom it was made: `address`.

    Raises TokenRefused, also where somebody has decided already.
    """
    token = tokens.look(word, now=now)
    if token.purpose != Token.Purpose.MODERATE or token.held_post is None:
        raise TokenRefused
    return token


def approve_by(*, word: str, now: datetime) -> None:
    """Let the post go out. Not inside of a transaction. Raises TokenRefused, HeldPostUnknown."""
    token = held_behind(word, now=now)
    with audit.acting(name=token.address):
        moderation.approve(held=_held(token), by=None)


def refuse_by(*, word: str, now: datetime, text: str = "") -> None:
    """Refuse it; `text`, if there is any, goes to its author. Raises TokenRefused,
    HeldPostUnknown."""
    token = held_behind(word, now=now)
    with audit.acting(name=token.address):
        refusal = moderation.refuse(held=_held(token), by=None, text=text)
    tell_author(token.mailing_list, refusal)


def tell_author(mailing_list: MailingList, refusal: moderation.Refusal) -> bool:
    """Send what the moderator says to whoever posted; False: there is nothing to say, or nobody.

    Without words nobody is told: most of what is refused is spam, whose senders are forged.
    """
    policy = domain_directory.policy(mailing_list.domain_id)
    if policy is None or not refusal.sender or not refusal.text.strip():
        return False
    return bool(letters.refused(policy, refusal).send(fail_silently=True))


def untold(*, now: datetime) -> Iterator[Notice]:
    """What waits and has not been told of, list by list.

    A post whose words are all too old is told of again. Reads posts, so in no transaction.
    """
    valid = Token.objects.filter(held_post=OuterRef("pk"), expires_at__gt=now)
    waiting = HeldPost.objects.filter(~Exists(valid), mailing_list__domain__is_disabled=False)
    waiting = waiting.select_related("mailing_list__domain")
    by_list: dict[int, list[HeldPost]] = {}
    for post in waiting.order_by("mailing_list", "id")[: 50 * SHOWN_AT_ONCE]:
        by_list.setdefault(post.mailing_list_id, []).append(post)
    for posts in by_list.values():
        people = moderators(posts[0].mailing_list)
        for start in range(0, len(posts) if people else 0, SHOWN_AT_ONCE):
            yield _notice(posts[start : start + SHOWN_AT_ONCE], people, now)


def moderators(mailing_list: MailingList) -> list[str]:
    """The addresses of those who decide: without moderators, the domain's administrator."""
    domain = domain_directory.policy(mailing_list.domain_id)
    if domain is None or domain.is_disabled or domain.is_closed:
        return []
    found = (account_directory.account(number) for number in people_of(mailing_list.pk))
    return [account_directory.address(one, domain) for one in found if one and one.receives]


def people_of(list_id: int) -> list[int]:
    """The accounts that get what is written to the owner of a list."""
    policy = directory.policy(list_id)
    if policy is None:
        return []
    if policy.moderators:
        return sorted(policy.moderators)
    administrator = account_directory.primary_administrator(policy.domain_id)
    return [] if administrator is None else [administrator]


def _notice(posts: Sequence[HeldPost], people: Sequence[str], now: datetime) -> Notice:
    mailing_list = posts[0].mailing_list
    policy = domain_directory.policy(mailing_list.domain_id)
    assert policy is not None, "moderators are asked for first"
    texts = {post.pk: _beginning(post) for post in posts}
    made: list[Token] = []
    messages = []
    for address in people:
        mine = [_token(post, address, now) for post in posts]
        made += mine
        messages.append(_message(policy, mailing_list, mine, texts))
    return Notice(tuple(post.pk for post in posts), tuple(made), tuple(messages))


def _token(post: HeldPost, address: str, now: datetime) -> Token:
    return Token(
        id=new_id(),
        mailing_list=post.mailing_list,
        purpose=Token.Purpose.MODERATE,
        address=address,
        held_post=post,
        expires_at=now + tokens.LIFETIME,
    )


def _message(
    policy: DomainPolicy,
    mailing_list: MailingList,
    mine: Sequence[Token],
    texts: dict[int, bytes],
) -> EmailMessage:
    shown = []
    for token in mine:
        post = _held(token)
        word = signedids.token_text(token.pk)
        shown.append(
            letters.waiting(post, texts[post.pk], code=word, link=links.moderation_url(word))
        )
    return letters.waiting_posts(policy, mailing_list, shown, to=mine[0].address)


def _held(token: Token) -> HeldPost:
    if token.held_post is None:
        raise HeldPostUnknown(0)
    return token.held_post


def _beginning(post: HeldPost) -> bytes:
    """For the excerpt; a damaged post is told of without one."""
    try:
        return moderation.read(post)[: letters.EXCERPT_BYTES]
    except StoreError:
        return b""
