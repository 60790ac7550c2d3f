"""A post to a list: goes out, waits for a moderator, or goes no further (L-003…L-015)."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.hashers import check_password

from blobs.ids import encode_id, new_id
from mailinglists import posting, posts, rules
from mailinglists.models import HeldPost, MailingList
from mailinglists.posting import Summary
from mailinglists.rules import Decision, PostFacts, Verdict
from protocols.message import headers, spammarks
from protocols.smtp.outgoing import Verdict as Outcome
from protocols.smtp.replies import Reply
from spool.agents.mailinglist import Incoming, Taken, discarded, failed
from spool.lists import addresses


@dataclass(frozen=True, slots=True)
class Considered:
    """A post with what was decided about it; `author_domain` empty: nobody has to be asked."""

    incoming: Incoming
    row: MailingList
    summary: Summary
    decision: Decision
    author_domain: str


def consider(incoming: Incoming) -> Considered | None:
    """Decide; None: the list has just gone. Asks directories, and hashes if there is a password."""
    policy = incoming.policy
    assert policy is not None
    row = MailingList.objects.select_related("domain").filter(pk=policy.list_id).first()
    if row is None:
        return None
    message = incoming.recipient.message
    summary = posting.read(incoming.head)
    keys = [addresses.key_of(message.sender)]
    if keys[0]:
        keys += [addresses.key_of(author) for author in summary.authors]
    named = tuple(dict.fromkeys(key for key in keys if key))
    poster = addresses.poster_of(policy, named, account_id=message.sender_account_id)
    decision = rules.judge(policy, poster, _facts(incoming, row, summary))
    # What leaves under the list's own domain is vouched for by that domain (SPF and DKIM).
    author_domain = addresses.key_of(summary.author).rpartition("@")[2]
    is_own = author_domain == incoming.domain.name
    return Considered(incoming, row, summary, decision, "" if is_own else author_domain)


def carry_out(considered: Considered, *, is_guarded: bool) -> Taken:
    """`is_guarded`: the author's domain lets nobody else send under its name (L-008)."""
    decision, incoming = considered.decision, considered.incoming
    policy = incoming.policy
    assert policy is not None
    about = {"list": considered.row.address, "reason": decision.words}
    if decision.verdict is Verdict.DISCARD:
        return discarded(decision.words, list=considered.row.address)
    if decision.verdict is Verdict.REFUSE:
        code = 552 if decision.enhanced == "5.2.3" else 550
        return failed(Reply(code, decision.enhanced, decision.words))
    if decision.verdict is Verdict.HOLD:
        held = _held(considered, is_guarded)
        reply = Reply(250, "2.0.0", f"It waits for a moderator: {decision.words}")
        return Taken(Outcome.DELIVERED, reply, "held for moderation", about, held=held)
    message = incoming.recipient.message
    post, record = posts.make(
        considered.row,
        incoming.read(),
        sender=message.sender,
        is_guarded=is_guarded,
        is_utf8=message.smtputf8,
        body_type=message.body_type,
        spooled_id=message.message_id,
        spooled_recipient_id=incoming.recipient.recipient_id,
    )
    about |= {"post": encode_id(post.pk), "subscribers": str(post.subscribers)}
    if is_guarded:
        about["from"] = "rewritten, as the author's domain publishes a DMARC policy"
    reply = Reply(250, "2.0.0", f"Posted to {post.subscribers:,} subscribers")
    return Taken(Outcome.DELIVERED, reply, "posted", about, post=post, records=[record])


def _facts(incoming: Incoming, row: MailingList, summary: Summary) -> PostFacts:
    policy = incoming.policy
    assert policy is not None
    password = check_password(summary.password, row.post_password) if row.post_password else None
    return PostFacts(
        size_bytes=incoming.recipient.message.size_bytes,
        maximum_bytes=addresses.maximum_bytes(policy, incoming.domain),
        has_been_here=posting.style_of(row).list_id.lower() in summary.list_ids,
        auto_submitted=summary.auto_submitted,
        spam_mark=spammarks.mark_in(headers.fields(incoming.head)),
        password=password,
    )


def _held(considered: Considered, is_guarded: bool) -> HeldPost:
    incoming, summary = considered.incoming, considered.summary
    message = incoming.recipient.message
    assert message.location is not None and considered.decision.held_for is not None
    return HeldPost(
        id=new_id(),
        mailing_list=considered.row,
        blob_id=message.location.blob_id,
        spooled_recipient_id=incoming.recipient.recipient_id,
        spooled_id=message.message_id,
        sender=message.sender,
        author=summary.author,
        subject=summary.subject,
        message_id=summary.message_id,
        size_bytes=message.size_bytes,
        reason=considered.decision.held_for,
        detail=considered.decision.words[:300],
        is_utf8=message.smtputf8,
        body_type=message.body_type,
        rewrites_author=is_guarded,
        held_at=incoming.now,
    )
