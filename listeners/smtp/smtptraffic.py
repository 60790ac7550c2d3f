"""What SMTP sessions write into the log: the transaction, refusals, or every command."""

from __future__ import annotations

from listeners import traffic
from listeners.base import Visit
from logbook.kinds import Kind, Level
from logbook.writer import BOOK
from protocols.address import Address
from protocols.smtp.commands import Auth, Bdat, Command, Data, Mail, Rcpt
from protocols.smtp.replies import Reply

LONGEST_COMMAND = 400
MOST_DOMAINS = 20
_OF_NOTE = (Mail, Rcpt, Data, Auth)


def asked(visit: Visit, command: Command) -> None:
    """Remember whom the transaction is about."""
    address: Address | None = None
    if isinstance(command, Mail):
        address = command.sender
        own = visit.domains[:1] if visit.account_id is not None else ()
        visit.senders = own if address is None else tuple({*own, address.domain.lower()})
        visit.domains = visit.senders
    elif isinstance(command, Rcpt):
        address = command.recipient
        domain = address.domain.lower()
        if len(visit.domains) < MOST_DOMAINS and domain not in visit.domains:
            visit.domains = (*visit.domains, domain)
    if address is not None and (transcript := traffic.watched_address(address)):
        is_new = visit.tap is None
        traffic.tap(visit, transcript)
        if is_new and visit.tap is not None:
            visit.tap.remark(f"{type(command).__name__.upper()} {address.encode()}")


def answered(visit: Visit, line: bytes, command: Command | None, reply: Reply | None) -> None:
    """One command line and the reply; None: it has been sent already."""
    if reply is None:
        return
    is_of_note = isinstance(command, _OF_NOTE) or reply.code >= 400
    if isinstance(command, Bdat):
        is_of_note = command.is_last or reply.code >= 400
    level = Level.NORMAL if is_of_note else Level.DETAILED
    if not BOOK.takes(Kind.SMTP, level):
        return
    words = line[:LONGEST_COMMAND].decode("utf-8", "backslashreplace")
    if words[:4].upper() == "AUTH" or command is None:
        # What could not be read may well be a password.
        words = " ".join(words.split(" ")[: 2 if isinstance(command, Auth) else 1])[:40]
    text = f"{words}: {reply.code} {reply.enhanced} {reply.text}"
    domains = visit.domains
    if isinstance(command, Rcpt):
        # Blind copies stay blind: whom a message is for besides is its sender's business.
        domains = (*visit.senders, command.recipient.domain.lower())
    BOOK.note(Kind.SMTP, text, session=visit.id, domains=domains, level=level)
