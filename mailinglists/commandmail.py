"""Mail to a domain's command address, or to that of a list by which it is spoken to (L-030)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.mail import EmailMessage

from domains import directory as domain_directory
from domains.models import Domain
from domains.policy import DomainPolicy
from mailinglists import commands, letters
from mailinglists.addresses import Part
from mailinglists.commands import Asked, Command
from mailinglists.conversation import Answer, Conversation
from mailinglists.models import MailingList
from protocols.address import Address
from protocols.message import answering, headers, reading

# Commands stand at the beginning; what is attached behind them is not read.
READ_BYTES = 128 * 1024

UNCLEAR = "Nothing was decided: the message says both approve and refuse. Send one of them alone."


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail as it came; `part` None: to the domain's command address."""

    domain_id: int
    list_id: int | None
    part: Part | None
    to: str  # the address that was written to
    sender: str  # of the envelope; empty: null
    message: bytes  # its first READ_BYTES


@dataclass(frozen=True, slots=True)
class Request:
    """A mail that is to be answered: what it asks for, and for whom."""

    incoming: Incoming
    author: Address
    subject: str
    message_id: str
    asked: tuple[Asked, ...]  # empty: nothing that could be understood


class NotAnswered(Exception):
    """The mail is one that no machine answers; the text says why, for the trace."""


def read(incoming: Incoming) -> Request:
    """Raises NotAnswered (RFC 3834 §2, U-042)."""
    listed = headers.fields(incoming.message)
    own = frozenset({incoming.to.lower()})
    if refusal := answering.refusal(listed, sender=incoming.sender, own=own):
        raise NotAnswered(refusal)
    author = answering.author(listed, sender=incoming.sender)
    if author is None or answering.is_machine(author.encode()):
        raise NotAnswered("its author is no person")
    if author.encode().lower() in own:
        raise NotAnswered("it says to come from the address that answers")
    shown = reading.read(incoming.message)
    subject = shown.first("Subject")
    message_id = next(iter(headers.named(listed, b"message-id")), b"").strip().strip(b"<>")
    return Request(
        incoming=incoming,
        author=author,
        subject=" ".join(subject.split())[:200],
        message_id=message_id.decode("utf-8", "replace"),
        asked=tuple(_asked(incoming.part, subject, shown.text)),
    )


def _asked(part: Part | None, subject: str, text: str) -> list[Asked]:
    """The address itself may be the command; else those of the text, or of what it answers."""
    match part:
        case Part.SUBSCRIBE:
            return [Asked("", commands.Subscribe())]
        case Part.UNSUBSCRIBE:
            return [Asked("", commands.Unsubscribe())]
    if asked := commands.parse(text):
        return asked
    # L-038: whoever only presses Reply and Send.
    codes = commands.tokens_in(subject) or commands.tokens_in(text)
    return [Asked(f"confirm {code}", commands.Confirm(code)) for code in codes]


def answer(request: Request, *, now: datetime) -> EmailMessage:
    """Do what is asked; the one reply to it, to the author alone."""
    incoming = request.incoming
    policy = _policy(incoming.domain_id)
    talk = Conversation(
        domain=Domain.objects.get(pk=incoming.domain_id),
        policy=policy,
        author=request.author,
        now=now,
        own_list=_own_list(incoming),
    )
    # L-034: who says nothing that can be understood is told what can be said.
    asked = request.asked or (Asked("", commands.Help()),)
    unclear = _contradicted(asked)
    answers = [
        Answer(one.line, UNCLEAR) if one.command in unclear else talk.answer(one.line, one.command)
        for one in asked
    ]
    subject = f"Re: {request.subject}" if request.subject else "Your list commands"
    if len(talk.codes) == 1:
        subject = f"confirm {talk.codes[0]}"
    return letters.write(
        policy,
        to=request.author.encode(),
        subject=subject,
        template="list_reply",
        facts={"answers": answers, "codes": talk.codes},
        headers=letters.references(request.message_id),
    )


def _contradicted(asked: Sequence[Asked]) -> list[Command]:
    """Approvals and refusals of one post: the reply of a program that quotes without a mark."""
    found = [one.command for one in asked]
    approved = {one.token for one in found if isinstance(one, commands.Approve)}
    refused = {one.token for one in found if isinstance(one, commands.Refuse)}
    both = approved & refused
    return [
        one
        for one in found
        if isinstance(one, commands.Approve | commands.Refuse) and one.token in both
    ]


def _policy(domain_id: int) -> DomainPolicy:
    policy = domain_directory.policy(domain_id)
    if policy is None:
        raise NotAnswered("its domain is gone")
    return policy


def _own_list(incoming: Incoming) -> MailingList | None:
    if incoming.list_id is None:
        return None
    row = MailingList.objects.select_related("domain").filter(pk=incoming.list_id).first()
    if row is None:
        raise NotAnswered("its list is gone")
    return row
