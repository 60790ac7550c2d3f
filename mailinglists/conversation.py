"""What list commands do, and the words that answer them (L-031…L-038)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from accounts import directory as account_directory
from domains import selectors as domain_selectors
from domains.errors import DomainUnknown, Refused
from domains.models import Domain
from domains.policy import DomainPolicy
from events import audit
from mailinglists import (
    commands,
    directory,
    letters,
    membership,
    moderatormail,
    posting,
    selectors,
    signedids,
)
from mailinglists.addresses import Part
from mailinglists.commands import Command
from mailinglists.errors import (
    HeldPostUnknown,
    ListUnknown,
    SubscriberUnknown,
    SubscriptionsClosed,
    TokenRefused,
)
from mailinglists.models import MailingList, Mode, Subscriber, SubscriberState, Token
from protocols.address import Address, fold

MOST_SHOWN = 500

_MODES = {Mode.STANDARD: "each post by itself", Mode.DIGEST: "digests"}


@dataclass(frozen=True, slots=True)
class Answer:
    """To one command; `line` is what asked for it, empty: the address that was written to."""

    line: str
    text: str


@dataclass(slots=True)
class Conversation:
    """With one address, for which it acts and to which alone its answers go."""

    domain: Domain
    policy: DomainPolicy
    author: Address
    now: datetime
    own_list: MailingList | None = None  # whose address was written to; None: the domain's
    codes: list[str] = field(default_factory=list)  # that the author has yet to confirm

    @property
    def address(self) -> str:
        return self.author.encode()

    def answer(self, line: str, command: Command) -> Answer:
        """Do what is asked, as far as the author may."""
        try:
            text = _ACTS[type(command)](self, command)
        except _ListNotNamed:
            text = "Say which list: write its name behind the word, as in\n\n    " + _usage(command)
        except ListUnknown as error:
            text = (
                f"There is no mailing list {error.address} here. Send the word lists to see\n"
                "which there are."
            )
        except Refused as error:
            text = f"This is not possible: {error}."
        return Answer(line, text)

    def list_named(self, name: str) -> MailingList:
        """By its name or address; empty: the one that was written to. Raises ListUnknown."""
        if not name:
            if self.own_list is None:
                raise _ListNotNamed
            return self.own_list
        local_part, at, domain_name = name.rpartition("@")
        if at and _domain_id(domain_name) != self.domain.pk:
            raise ListUnknown(name)
        return selectors.list_by_name(self.domain, local_part if at else name)

    def subscription(self, mailing_list: MailingList) -> Subscriber | None:
        """None: the author is not on the list, or has not confirmed it."""
        try:
            found = selectors.subscriber_of(mailing_list, self.address)
        except SubscriberUnknown:
            return None
        return None if found.state == SubscriberState.UNCONFIRMED else found

    def moderates(self, mailing_list: MailingList) -> bool:
        """Whether the author's address is that of one of the list's moderators (L-011)."""
        policy = directory.policy(mailing_list.pk)
        if policy is None or _domain_id(self.author.domain) != mailing_list.domain_id:
            return False
        entry = account_directory.lookup(mailing_list.domain_id, fold(self.author.local_part))
        is_user = entry is not None and entry.kind == account_directory.Kind.USER
        return is_user and entry is not None and entry.object_id in policy.moderators


class _ListNotNamed(Exception):
    """The command needs the name of a list."""


def _subscribe(talk: Conversation, asked: commands.Subscribe) -> str:
    mailing_list = talk.list_named(asked.list_name)
    try:
        code = membership.subscribe_requested(
            mailing_list=mailing_list, address=talk.address, name=asked.name, now=talk.now
        )
    except SubscriptionsClosed:
        return (
            f"Nobody can subscribe to {mailing_list.address} by mail. Those who run the list can\n"
            f"add you: write to {_owners(mailing_list)}."
        )
    if code is not None:
        talk.codes.append(code)
        return f"You want to subscribe to {mailing_list.address}. Please confirm it: see below."
    found = talk.subscription(mailing_list)
    if found is not None and found.state == SubscriberState.SUSPENDED:
        return (
            f"You are subscribed to {mailing_list.address}, but get nothing at present. Those who\n"
            f"run the list can change that: {_owners(mailing_list)}."
        )
    return f"You are subscribed to {mailing_list.address} already."


def _unsubscribe(talk: Conversation, asked: commands.Unsubscribe) -> str:
    mailing_list = talk.list_named(asked.list_name)
    code = membership.unsubscribe_requested(
        mailing_list=mailing_list, address=talk.address, now=talk.now
    )
    if code is None:
        return (
            f"{talk.address} is not subscribed to {mailing_list.address}. Perhaps you are\n"
            "subscribed with another address: then write from that one."
        )
    talk.codes.append(code)
    return f"You want to leave {mailing_list.address}. Please confirm it: see below."


def _lists(talk: Conversation, _asked: commands.Lists) -> str:
    rows = list(selectors.public_lists(talk.domain)[: MOST_SHOWN + 1])
    if not rows:
        return f"There are no public mailing lists at {talk.domain.name}."
    lines = [_named(row) for row in rows[:MOST_SHOWN]]
    more = "\n\nThere are more." if len(rows) > MOST_SHOWN else ""
    return f"The public mailing lists of {talk.domain.name}:\n\n" + "\n".join(lines) + more


def _named(row: MailingList) -> str:
    return f"    {row.local_part:<20} {row.description}".rstrip()


def _help(talk: Conversation, asked: commands.Help) -> str:
    if not asked.list_name and talk.own_list is None:
        return overview(talk.policy)
    mailing_list = talk.list_named(asked.list_name)
    text = _own_words(mailing_list, mailing_list.help_text).strip() or _about(mailing_list)
    return text if asked.list_name else f"{text}\n\n{overview(talk.policy)}"


def overview(policy: DomainPolicy) -> str:
    """All commands in short."""
    facts = {"command_address": letters.command_address(policy), "most": commands.MOST_LINES}
    return render_to_string("mail/list_help.txt", facts).strip()


def _about(mailing_list: MailingList) -> str:
    """What is said where nobody has written a text for it."""
    lines = [f"The mailing list {mailing_list.address}"]
    if mailing_list.is_public and mailing_list.description:
        lines.append(f"About:           {mailing_list.description}")
    if mailing_list.takes_subscriptions:
        lines.append(f"To subscribe:    write to {_part(mailing_list, Part.SUBSCRIBE)}")
    lines.append(f"To leave:        write to {_part(mailing_list, Part.UNSUBSCRIBE)}")
    lines.append(f"Who runs it:     {_owners(mailing_list)}")
    return "\n".join(lines)


def _owners(mailing_list: MailingList) -> str:
    return _part(mailing_list, Part.OWNER)


def _part(mailing_list: MailingList, part: Part) -> str:
    return f"{mailing_list.local_part}{part}@{mailing_list.domain.name}"


def _set_mode(talk: Conversation, asked: commands.SetMode) -> str:
    mailing_list = talk.list_named(asked.list_name)
    found = talk.subscription(mailing_list)
    if found is None:
        return f"{talk.address} is not subscribed to {mailing_list.address}."
    with audit.acting(name=talk.address):
        membership.set_mode(subscriber=found, mode=asked.mode, by=None)
    return f"From now on you get {_MODES[asked.mode]} from {mailing_list.address}."


def _who(talk: Conversation, asked: commands.Who) -> str:
    mailing_list = talk.list_named(asked.list_name)
    if not mailing_list.shows_subscribers or not talk.moderates(mailing_list):
        return (
            f"Who is subscribed to {mailing_list.address} is told to nobody by mail, or to its\n"
            "moderators alone."
        )
    rows = selectors.subscribers(mailing_list)
    shown = [f"    {_person(row)}" for row in rows[:MOST_SHOWN]]
    if not shown:
        return f"Nobody is subscribed to {mailing_list.address}."
    total = rows.count()
    more = f"\n\nThe first {MOST_SHOWN} are shown." if total > MOST_SHOWN else ""
    people = "1 subscriber" if total == 1 else f"{total} subscribers"
    return f"{mailing_list.address} has {people}:\n\n" + "\n".join(shown) + more


def _person(row: Subscriber) -> str:
    notes = [row.name] if row.name else []
    if row.mode == Mode.DIGEST:
        notes.append("digests")
    if row.state != SubscriberState.ACTIVE:
        notes.append(row.get_state_display().lower())
    return f"{row.address} ({', '.join(notes)})" if notes else row.address


def _which(talk: Conversation, _asked: commands.Which) -> str:
    rows = list(selectors.subscriptions_of(talk.author, domain=talk.domain)[:MOST_SHOWN])
    if not rows:
        return f"{talk.address} is subscribed to no mailing list of {talk.domain.name}."
    lines = [f"    {row.mailing_list.local_part:<20} {_standing(row)}" for row in rows]
    return f"{talk.address} is subscribed to:\n\n" + "\n".join(lines)


def _standing(row: Subscriber) -> str:
    if row.state == SubscriberState.SUSPENDED:
        return "suspended: nothing is sent"
    return _MODES[Mode(row.mode)]


def _confirm(talk: Conversation, asked: commands.Confirm) -> str:
    try:
        done = membership.confirm(word=asked.token, now=talk.now)
    except TokenRefused:
        repeated = _done_before(talk, asked.token)
        if repeated is None:
            return (
                "This code is not valid: it was used already, is older than a week, or a part of\n"
                "it is missing."
            )
        done = repeated
    if done.purpose == Token.Purpose.SUBSCRIBE:
        return welcome(done.mailing_list, done.address)
    return goodbye(done.mailing_list, done.address)


def _done_before(talk: Conversation, word: str) -> membership.Confirmed | None:
    """What a code has done before, as a program may send twice what was sent once."""
    rows = Token.objects.select_related("mailing_list__domain").filter(used_at__isnull=False)
    token_id = signedids.token_of(word)
    token = None if token_id is None else rows.filter(pk=token_id).first()
    if token is None or token.purpose == Token.Purpose.MODERATE:
        return None
    if token.address.lower() != talk.address.lower():
        return None
    is_on = Subscriber.objects.filter(
        mailing_list=token.mailing_list, key=talk.author.key, state=SubscriberState.ACTIVE
    ).exists()
    if is_on != (token.purpose == Token.Purpose.SUBSCRIBE):
        return None
    return membership.Confirmed(token.purpose, token.mailing_list, token.address, False)


def welcome(mailing_list: MailingList, address: str) -> str:
    """To a new subscriber: the list's own words, and how to leave again."""
    words = f"{address} is subscribed to {mailing_list.address}."
    own = _own_words(mailing_list, mailing_list.welcome_text)
    leave = _part(mailing_list, Part.UNSUBSCRIBE)
    return f"{words}{own}\n\nTo leave the list, write to {leave}."


def goodbye(mailing_list: MailingList, address: str) -> str:
    words = f"{address} is no longer subscribed to {mailing_list.address}."
    return words + _own_words(mailing_list, mailing_list.goodbye_text)


def _own_words(mailing_list: MailingList, text: str) -> str:
    """As a paragraph of its own, with the list's variables filled in; empty: nothing."""
    filled = posting.filled(text, posting.style_of(mailing_list)).strip()
    return f"\n\n{filled}" if filled else ""


def _approve(talk: Conversation, asked: commands.Approve) -> str:
    try:
        moderatormail.approve_by(word=asked.token, now=talk.now)
    except (TokenRefused, HeldPostUnknown):
        return _decided()
    return "The post goes out."


def _refuse(talk: Conversation, asked: commands.Refuse) -> str:
    try:
        moderatormail.refuse_by(word=asked.token, text=asked.reason, now=talk.now)
    except (TokenRefused, HeldPostUnknown):
        return _decided()
    return "The post was refused, and does not go out."


def _decided() -> str:
    return (
        "This code is not valid any more: somebody has decided about the post already, or the\n"
        "code is older than a week."
    )


def _malformed(_talk: Conversation, asked: commands.Malformed) -> str:
    return f"This cannot be understood. Write it as\n\n    {asked.usage}"


def _usage(command: Command) -> str:
    return commands.encode(command) + " LIST"


def _domain_id(name: str) -> int | None:
    """None: no domain of this server."""
    try:
        return domain_selectors.by_name(name).pk
    except DomainUnknown:
        return None


_ACTS: dict[type, Callable[[Conversation, Any], str]] = {
    commands.Subscribe: _subscribe,
    commands.Unsubscribe: _unsubscribe,
    commands.Lists: _lists,
    commands.Help: _help,
    commands.SetMode: _set_mode,
    commands.Who: _who,
    commands.Which: _which,
    commands.Confirm: _confirm,
    commands.Approve: _approve,
    commands.Refuse: _refuse,
    commands.Malformed: _malformed,
}
