"""What the lists of a domain write by mail: from its command address, and answered by no machine.

They leave under the null sender, so that nothing comes back about them (RFC 3834 §3.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import formataddr
from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from domains.policy import DomainPolicy
from mailinglists import links
from mailinglists.models import HeldPost, MailingList
from mailinglists.moderation import Refusal
from mailinglists.tokens import LIFETIME
from protocols.message import reading
from units import sizes

EXCERPT_LINES = 15
EXCERPT_COLUMNS = 78
# Of a post that waits so much is read for the excerpt.
EXCERPT_BYTES = 64 * 1024

_MESSAGE_ID = re.compile(r"[!-;=?-~]{3,200}")  # RFC 5322 §3.6.4, loosely


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held post as a moderator is told of it; `code` is his alone."""

    author: str
    subject: str
    size: str
    held_at: datetime
    reason: str
    excerpt: tuple[str, ...]
    is_cut: bool
    code: str
    link: str


def command_address(domain: DomainPolicy) -> str:
    """Where list commands go (D-035)."""
    return f"{domain.list_command_address}@{domain.name}"


def write(
    domain: DomainPolicy,
    *,
    to: str,
    subject: str,
    template: str,
    facts: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    kind: str = "autoresponder",
) -> EmailMessage:
    """One message of the domain's lists; line ends in `subject` become blanks."""
    given = {
        "Auto-Submitted": "auto-replied",
        "X-MailHost-Kind": kind,
        "X-MailHost-Domain": str(domain.domain_id),
        "X-MailHost-Sender": "null",
        **(headers or {}),
    }
    known = {
        "domain": domain.name,
        "command_address": command_address(domain),
        "days": LIFETIME.days,
    }
    return EmailMessage(
        " ".join(subject.split())[:200],
        render_to_string(f"mail/{template}.txt", {**known, **facts}),
        from_email=formataddr((f"Mailing lists of {domain.name}", command_address(domain))),
        to=[to],
        headers=given,
    )


def confirmation(
    domain: DomainPolicy, mailing_list: MailingList, *, to: str, code: str
) -> EmailMessage:
    """To somebody whom an administrator wants to subscribe (L-012)."""
    return write(
        domain,
        to=to,
        subject=f"confirm {code}",
        template="list_confirm",
        facts={
            "list": mailing_list.address,
            "description": mailing_list.description,
            "code": code,
            "link": links.confirmation_url(code),
        },
        headers={"Auto-Submitted": "auto-generated"},
    )


def waiting_posts(
    domain: DomainPolicy,
    mailing_list: MailingList,
    posts: Sequence[Waiting],
    *,
    to: str,
    more: int = 0,
) -> EmailMessage:
    """To one moderator about what waits for him; `more` wait without being shown (L-005)."""
    facts = {"list": mailing_list.address, "posts": posts, "more": more}
    return write(
        domain,
        to=to,
        subject=render_to_string("mail/list_held_subject.txt", facts),
        template="list_held",
        facts=facts,
        headers={"Auto-Submitted": "auto-generated"},
        kind="event",
    )


def refused(domain: DomainPolicy, refusal: Refusal) -> EmailMessage:
    """To whoever posted what a moderator has refused, with the moderator's words."""
    return write(
        domain,
        to=refusal.sender,
        subject=f"Refused: {refusal.subject}" if refusal.subject else "Your post was refused",
        template="list_refused",
        facts={"list": refusal.address, "subject": refusal.subject, "text": refusal.text.strip()},
        headers=references(refusal.message_id),
    )


def references(message_id: str) -> dict[str, str]:
    """By which a reply is shown with what it answers (RFC 3834 §3.1.5); `message_id` without
    brackets, as whoever wrote the message gave it."""
    if not _MESSAGE_ID.fullmatch(message_id):
        return {}
    return {"In-Reply-To": f"<{message_id}>", "References": f"<{message_id}>"}


def waiting(post: HeldPost, message: bytes, *, code: str, link: str) -> Waiting:
    """`message` is the post as far as it was read."""
    read = reading.read(message[:EXCERPT_BYTES])
    lines = [line.rstrip()[:EXCERPT_COLUMNS] for line in read.text.strip().split("\n")]
    return Waiting(
        author=_one_line(read.first("From") or post.author or post.sender),
        subject=_one_line(post.subject) or "(no subject)",
        size=sizes.in_words(post.size_bytes),
        held_at=post.held_at,
        reason=post.detail or post.get_reason_display(),
        excerpt=tuple(lines[:EXCERPT_LINES]),
        is_cut=len(lines) > EXCERPT_LINES or post.size_bytes > EXCERPT_BYTES,
        code=code,
        link=link,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
