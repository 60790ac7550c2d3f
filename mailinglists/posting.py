"""From a post to what subscribers get: fields of the list, subject, author, texts (L-006…L-009).

Pure but for the words of the list's row, which `style_of` takes out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailinglists.addresses import Part
from mailinglists.models import MailingList, Posting, RepliesTo
from protocols.message import addresses, headers, words
from protocols.message.inserting import insert_texts

# RFC 2369, RFC 2919, RFC 8058: those of another list, or of this one, do not stay. Nor do wishes
# for receipts, which all subscribers' programs would follow, nor marks of mailboxes passed.
REMOVED = (
    b"list-id", b"list-post", b"list-unsubscribe", b"list-unsubscribe-post", b"list-help",
    b"list-owner", b"list-subscribe", b"list-archive", b"precedence", b"return-path",
    b"delivered-to", b"disposition-notification-to", b"return-receipt-to", b"x-confirm-reading-to",
)  # fmt: skip
LONGEST_VALUE = 250
MOST_AUTHORS = 10
_VARIABLE = re.compile(r"\$([a-z]+)\b")
_PASSWORD = re.compile(r"\s*\[:([^:\[\]]{1,64}):\]\s*")


@dataclass(frozen=True, slots=True)
class Style:
    """What a list does to each of its posts."""

    name: str
    domain_name: str
    description: str
    subject_prefix: str
    header_text: str
    footer_text: str
    replies_to: str
    takes_posts: bool  # of more people than moderators
    takes_subscriptions: bool
    removes_password: bool

    def at(self, part: Part) -> str:
        """One of the list's addresses."""
        return f"{self.name}{part}@{self.domain_name}"

    @property
    def list_id(self) -> str:
        """RFC 2919 §2: a name of the domain, without brackets."""
        return f"{self.name}.{self.domain_name}"


@dataclass(frozen=True, slots=True)
class Summary:
    """Of a post as it came, cut to what a row keeps; hostile text."""

    author: str  # the first address in From; empty: there is none
    authors: tuple[str, ...]  # all of them
    subject: str  # without the password
    password: str  # the word in [:word:] of the subject; empty: none
    message_id: str
    list_ids: frozenset[str]  # lower case
    auto_submitted: str


def style_of(row: MailingList) -> Style:
    return Style(
        name=row.local_part,
        domain_name=row.domain.name,
        description=row.description,
        subject_prefix=row.subject_prefix,
        header_text=row.header_text,
        footer_text=row.footer_text,
        replies_to=row.replies_to,
        takes_posts=row.posting != Posting.MODERATORS,
        takes_subscriptions=row.takes_subscriptions,
        removes_password=bool(row.post_password),
    )


def read(head: bytes) -> Summary:
    """Takes any bytes."""
    listed = headers.fields(head)
    authors = [
        one for value in headers.named(listed, b"from") for one in addresses.mailboxes(value)
    ]
    subject = words.decode(next(iter(headers.named(listed, b"subject")), b""))
    password = _PASSWORD.search(subject)
    list_ids = (
        value.rpartition(b"<")[2].partition(b">")[0] for value in headers.named(listed, b"list-id")
    )
    submitted = next(iter(headers.named(listed, b"auto-submitted")), b"")
    message_id = next(iter(headers.named(listed, b"message-id")), b"").strip(b"<>")
    return Summary(
        author=_kept(authors[0].address) if authors else "",
        authors=tuple(_kept(one.address) for one in authors[:MOST_AUTHORS]),
        subject=_kept(without_password(subject)),
        password=password[1] if password else "",
        message_id=_kept(message_id.decode("utf-8", "replace")),
        list_ids=frozenset(one.decode("ascii", "replace").strip().lower() for one in list_ids),
        auto_submitted=submitted.partition(b";")[0].strip().decode("ascii", "replace").lower(),
    )


def without_password(subject: str) -> str:
    """L-006."""
    return _PASSWORD.sub(" ", subject).strip()


def compose(message: bytes, style: Style, *, rewrites_author: bool, boundary: str) -> bytes:
    """What all subscribers get; what differs between them goes before it. Takes any bytes."""
    start = headers.body_start(message)
    head, body = message[:start], message[start:]
    listed = headers.fields(head)
    changed: dict[str, bytes] = {}
    subject = words.decode(next(iter(headers.named(listed, b"subject")), b""))
    if (new := _subject(subject, style)) != subject:
        changed["Subject"] = headers.field("Subject", new)
    authors = headers.named(listed, b"from")
    if rewrites_author:
        changed["From"] = _author(authors, style)
        # RFC 6376 §4: what vouched for the other author vouches for nothing now.
        changed["DKIM-Signature"] = b""
    if (replies := _replies_to(listed, authors, style, rewrites_author)) is not None:
        changed["Reply-To"] = replies
    dropped = [*REMOVED, *(name.lower().encode() for name in changed)]
    kept = headers.selected(head, dropped, others=True)[:-2]
    written = b"".join(changed.values()) + b"".join(list_fields(style)) + kept + b"\r\n" + body
    before, after = (filled(text, style) for text in (style.header_text, style.footer_text))
    return insert_texts(written, before, after, boundary=boundary)


def list_fields(style: Style) -> Iterable[bytes]:
    """Those that are the same for everybody (L-007)."""
    phrase = addresses.format_address(style.description, style.list_id)
    yield headers.structured_field("List-Id", phrase if b"<" in phrase else b"<" + phrase + b">")
    posts = _mailto(style, Part.POSTS) if style.takes_posts else b"NO"  # RFC 2369 §3.4
    yield headers.structured_field("List-Post", posts)
    yield headers.structured_field("List-Help", _mailto(style, Part.REQUEST, b"?subject=help"))
    yield headers.structured_field("List-Owner", _mailto(style, Part.OWNER))
    if style.takes_subscriptions:
        yield headers.structured_field("List-Subscribe", _mailto(style, Part.SUBSCRIBE))
    yield b"Precedence: list\r\n"


def own_fields(unsubscribe_address: str, one_click_url: str) -> bytes:
    """Those of one subscriber alone. RFC 2369 §3.2, RFC 8058 §3.1. `one_click_url` empty: none."""
    mailto = b"<mailto:" + unsubscribe_address.encode() + b">"
    if not one_click_url:
        return headers.structured_field("List-Unsubscribe", mailto)
    value = b"<" + one_click_url.encode() + b">, " + mailto
    post = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return headers.structured_field("List-Unsubscribe", value) + post


def _subject(subject: str, style: Style) -> str:
    if style.removes_password:
        subject = without_password(subject)
    prefix = style.subject_prefix
    if not prefix or prefix.lower() in subject.lower():
        return subject
    return f"{prefix} {subject}".strip()


def _author(authors: list[bytes], style: Style) -> bytes:
    """RFC 7960 §4.1.3.1: the list stands as the author, who is named."""
    found = [one for value in authors for one in addresses.mailboxes(value)]
    name = found[0].display_name or found[0].address.partition("@")[0] if found else ""
    via = f"{name} via {style.name}" if name else style.name
    return headers.structured_field("From", addresses.format_address(via, style.at(Part.POSTS)))


def _replies_to(
    listed: list[tuple[bytes, bytes]], authors: list[bytes], style: Style, rewrites_author: bool
) -> bytes | None:
    """None: the field stays as it is."""
    given = headers.named(listed, b"reply-to")
    values: list[bytes] = []
    if style.replies_to == RepliesTo.LIST:
        values.append(style.at(Part.POSTS).encode())
    if rewrites_author:
        values += given or authors
    if not values:
        return None
    return headers.structured_field("Reply-To", b", ".join(values))


def filled(text: str, style: Style) -> str:
    """L-009: what follows a dollar sign, where it is one of these names."""
    values = {
        "list": style.name,
        "address": style.at(Part.POSTS),
        "description": style.description,
        "owner": style.at(Part.OWNER),
        "help": f"mailto:{style.at(Part.REQUEST)}?subject=help",
        "unsubscribe": f"mailto:{style.at(Part.UNSUBSCRIBE)}",
    }
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def _mailto(style: Style, part: Part, query: bytes = b"") -> bytes:
    return b"<mailto:" + style.at(part).encode() + query + b">"


def _kept(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())[:LONGEST_VALUE]
