"""May this post go out? Decided from what is known of it, with the reason in words. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from mailinglists.directory import ListPolicy
from mailinglists.models import HeldPost, Posting

Reason = HeldPost.Reason


class Verdict(StrEnum):
    ACCEPT = "accept"
    HOLD = "hold"  # a moderator decides
    REFUSE = "refuse"  # the sender is told
    DISCARD = "discard"  # nobody is told


@dataclass(frozen=True, slots=True)
class Poster:
    """Who posts, as far as it is known. Keys are those of protocols.address.Address."""

    keys: Collection[str]  # of his addresses: the envelope's and the author's, as far as given
    account_id: int | None  # who has logged in; None: nobody
    claimed_account_id: int | None  # whose address of ours it is, whether or not he logged in
    is_subscribed: bool  # each of the keys is on the list


@dataclass(frozen=True, slots=True)
class PostFacts:
    """What decides about a post besides its poster."""

    size_bytes: int
    maximum_bytes: int | None  # None: no limit
    has_been_here: bool  # it bears the List-Id of this very list
    auto_submitted: str  # RFC 3834 §5; empty or "no": a person wrote it
    spam_mark: str  # the field by which a scanner marked it; empty: none
    password: bool | None  # whether the right one was given; None: the list asks for none


@dataclass(frozen=True, slots=True)
class Decision:
    """`words` stand in the trace; for REFUSE they are what the sender reads."""

    verdict: Verdict
    words: str
    enhanced: str = ""  # RFC 3463, of a refusal
    held_for: Reason | None = None


ACCEPTED = Decision(Verdict.ACCEPT, "the author may post")
BANNED = Decision(Verdict.REFUSE, "You may not post to this list", "5.7.1")
NOT_SUBSCRIBED = Decision(Verdict.REFUSE, "Only subscribers may post to this list", "5.7.1")
NOT_MODERATOR = Decision(Verdict.REFUSE, "Only moderators may post to this list", "5.7.1")
NO_SENDER = Decision(Verdict.DISCARD, "mail from the null sender is never posted")
LOOPS = Decision(Verdict.DISCARD, "it has been posted to this list before")
NOT_PROVEN = Decision(
    Verdict.HOLD,
    "the author says to be a moderator, but did not log in",
    held_for=Reason.NOT_PROVEN,
)


def may_write(policy: ListPolicy, poster: Poster) -> Decision:
    """Who he is (L-004): as far as the envelope tells at RCPT, and again of the author."""
    patterns = {"@" + key.rpartition("@")[2] for key in poster.keys} | set(poster.keys)
    if patterns & policy.banned:
        return BANNED
    if poster.account_id is not None and poster.account_id in policy.moderators:
        return ACCEPTED
    if all(_is_allowed(policy, key) for key in poster.keys):
        return ACCEPTED
    if policy.posting == Posting.ANYONE:
        return ACCEPTED
    if policy.posting == Posting.SUBSCRIBERS:
        return ACCEPTED if poster.is_subscribed else _claimed(policy, poster) or NOT_SUBSCRIBED
    return _claimed(policy, poster) or NOT_MODERATOR


def judge(policy: ListPolicy, poster: Poster, facts: PostFacts) -> Decision:
    """The whole of a post, once it is there."""
    if not poster.keys:
        return NO_SENDER
    if facts.has_been_here:
        return LOOPS
    if facts.auto_submitted not in ("", "no"):
        return Decision(Verdict.DISCARD, f"a machine wrote it ({facts.auto_submitted})")
    if facts.maximum_bytes is not None and facts.size_bytes > facts.maximum_bytes:
        words = f"A post to this list may have {facts.maximum_bytes:,} bytes at most"
        return Decision(Verdict.REFUSE, words, "5.2.3")
    writer = may_write(policy, poster)
    if writer.verdict is Verdict.REFUSE:
        if writer is BANNED or not policy.moderators:
            return writer
        return Decision(Verdict.HOLD, writer.words, held_for=Reason.NOT_ALLOWED)
    if facts.password is False:
        words = "The subject must have the list's word for posts, as [:word:]"
        return Decision(Verdict.REFUSE, words, "5.7.1")
    if facts.spam_mark:
        return Decision(Verdict.HOLD, f"marked as spam by {facts.spam_mark}", held_for=Reason.SPAM)
    is_moderator = poster.account_id is not None and poster.account_id in policy.moderators
    if policy.is_moderated and not is_moderator:
        return Decision(Verdict.HOLD, "every post to the list waits", held_for=Reason.MODERATED)
    return writer


def _is_allowed(policy: ListPolicy, key: str) -> bool:
    return key in policy.allowed or "@" + key.rpartition("@")[2] in policy.allowed


def _claimed(policy: ListPolicy, poster: Poster) -> Decision | None:
    """Anybody can write a moderator's address into a message."""
    return NOT_PROVEN if poster.claimed_account_id in policy.moderators else None
