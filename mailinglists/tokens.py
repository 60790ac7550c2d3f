"""Words that are mailed to somebody, by which he confirms something, once, for seven days."""

from __future__ import annotations

from datetime import datetime, timedelta

from blobs.ids import new_id
from mailinglists import signedids
from mailinglists.errors import TokenRefused
from mailinglists.models import HeldPost, MailingList, Mode, Token

LIFETIME = timedelta(days=7)
Purpose = Token.Purpose


def make(
    *,
    mailing_list: MailingList,
    purpose: Token.Purpose,
    address: str,
    now: datetime,
    name: str = "",
    mode: str = Mode.STANDARD,
    held_post: HeldPost | None = None,
) -> str:
    """The word. Inside of the caller's transaction, if there is one."""
    token = Token.objects.create(
        id=new_id(),
        mailing_list=mailing_list,
        purpose=purpose,
        address=address,
        name=name,
        mode=mode,
        held_post=held_post,
        expires_at=now + LIFETIME,
    )
    return signedids.token_text(token.pk)


def look(text: str, *, now: datetime) -> Token:
    """What it is for, without using it up. Raises TokenRefused."""
    token_id = signedids.token_of(text.strip())
    rows = Token.objects.select_related("mailing_list__domain", "held_post")
    token = rows.filter(pk=token_id).first() if token_id is not None else None
    if token is None or token.used_at is not None or token.expires_at <= now:
        raise TokenRefused
    return token


def use(text: str, *, now: datetime) -> Token:
    """The same, and it is used up, in the caller's transaction. Raises TokenRefused."""
    token = look(text, now=now)
    if not Token.objects.filter(pk=token.pk, used_at=None).update(used_at=now):
        raise TokenRefused  # somebody was faster
    return token


def forget_before(moment: datetime, *, at_once: int) -> int:
    """Delete up to `at_once` that ended before that moment; how many."""
    ids = list(
        Token.objects.filter(expires_at__lt=moment)
        .order_by("expires_at")
        .values_list("pk", flat=True)[:at_once]
    )
    Token.objects.filter(pk__in=ids).delete()
    return len(ids)
