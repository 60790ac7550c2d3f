"""A list with subscribers, and posts to it."""

from __future__ import annotations

from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Post, Subscriber
from spool.models import SpooledMessage, SpooledRecipient
from tests import factories
from tests.spool.outgoing import submit

AUTHOR = "writer@other.test"
LIST = "news@one.example"


def post_of(*, author: str = AUTHOR, subject: str = "Hello", more: str = "", body: str = "Hi.\r\n"):
    head = f"From: {author}\r\nTo: {LIST}\r\nSubject: {subject}\r\nMessage-ID: <1@other.test>\r\n"
    return f"{head}{more}\r\n{body}".encode()


def make_list(*addresses: str, name: str = "news", domain=None, moderators=(), rules=(), **values):
    """A list of one.example, which is made with alice and bob if it is not given."""
    domain = domain or factories.make_domain("one.example", "alice", "bob")
    password = values.pop("post_password", "")
    row = services.create_list(
        domain=domain, local_part=name, values=values, moderators=moderators,
        poster_rules=rules, post_password=password, by=None,
    )  # fmt: skip
    subscribe(row, *addresses)
    return row


def subscribe(row: MailingList, *addresses: str) -> None:
    rows = [NewSubscriber(address) for address in addresses]
    membership.add_subscribers(mailing_list=row, rows=rows, by=None)


def post(body: bytes | None = None, *, to: str = LIST, sender: str = AUTHOR, **given) -> int:
    """Hand in a post; its id in the spool."""
    return submit(to, sender=sender, body=post_of() if body is None else body, **given)


def is_posted() -> bool:
    """Everybody has been handed to the spool."""
    return Post.objects.exists() and not Post.objects.filter(finished_at=None).exists()


def has_ended() -> bool:
    """And nothing waits in the spool."""
    return is_posted() and not SpooledMessage.objects.filter(finished_at=None).exists()


def copies() -> dict[str, str]:
    """Address to the return path of its copy."""
    rows = SpooledRecipient.objects.exclude(return_path="")
    return dict(rows.values_list("address", "return_path"))


def subscriber(address: str) -> Subscriber:
    return Subscriber.objects.get(address=address)
