"""What the sessions of all protocols write into the logs, and which of them are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from domains import directory as domain_directory
from domains.directory import Cold
from listeners import bridge
from logbook.kinds import Kind, Level
from logbook.taps import NOBODY, Tap, Watched
from logbook.writer import BOOK
from operations import logcounts, logs, transcripts
from protocols.address import Address

if TYPE_CHECKING:
    from listeners.base import Listener, Visit

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 2.0
KINDS = {"smtp": Kind.SMTP, "imap": Kind.IMAP, "pop": Kind.POP, "ldap": Kind.LDAP}
LONGEST_ANSWER = 200

_watched: Watched = NOBODY


def began(visit: Visit) -> None:
    where = f"{visit.local_ip} port {visit.endpoint.port}{', TLS' if visit.is_encrypted else ''}"
    _note(visit, f"connected from {visit.client_ip} port {visit.client_port} to {where}")
    if _watched:
        tap(visit, _watched.clients.get(visit.client_ip))


def turned_away(protocol: str, client_ip: str, reason: str) -> None:
    BOOK.note(KINDS[protocol], f"connection from {client_ip} refused: {reason}")


def logged_in(visit: Visit) -> None:
    try:
        domain = domain_directory.policy(visit.domain_id or 0, cached_only=True)
    except Cold:
        domain = None
    if domain is not None:
        visit.domains = (domain.name,)
    _note(visit, f"logged in as account {visit.account_id}")
    if _watched and visit.account_id is not None:
        tap(visit, _watched.accounts.get(visit.account_id))


def login_refused(visit: Visit, login: str) -> None:
    domain = login.rpartition("@")[2].lower()
    _note(visit, f"log-in refused for {login[:330]}", domains=(domain,) if "@" in login else ())


def ended(visit: Visit) -> None:
    _note(visit, "disconnected")


def answered(visit: Visit, command: Any, answer: Any) -> None:
    """IMAP and POP3: one command, by its name, and how it ended. Only in detailed logs."""
    kind = KINDS[visit.listener.name]
    if not BOOK.takes(kind) or command is None:
        return
    octets = answer if isinstance(answer, bytes) else answer.encode()
    first = octets.partition(b"\r\n")[0][:LONGEST_ANSWER].decode("utf-8", "backslashreplace")
    text = f"{type(command).__name__.upper()}: {first}"
    BOOK.note(kind, text, session=visit.id, domains=visit.domains, level=Level.DETAILED)


def told(visit: Visit, text: str) -> None:
    """LDAP, whose octets nobody can read: one line on what was asked or answered.

    Only in detailed logs, and in a transcript.
    """
    kind = KINDS[visit.listener.name]
    if BOOK.takes(kind):
        BOOK.note(kind, text, session=visit.id, domains=visit.domains, level=Level.DETAILED)
    if visit.tap is not None:
        visit.tap.line(text)


def is_told(visit: Visit) -> bool:
    """Whether anybody wants to read such lines now."""
    return visit.tap is not None or BOOK.takes(KINDS[visit.listener.name])


def _note(visit: Visit, text: str, *, domains: tuple[str, ...] = ()) -> None:
    kind = KINDS[visit.listener.name]
    BOOK.note(kind, text, session=visit.id, domains=domains or visit.domains)


# --- recording ---


def tap(visit: Visit, transcript_id: int | None) -> None:
    """Record the session from now on, if `transcript_id` is one of an open transcript."""
    ends_at = _watched.ends_at.get(transcript_id or 0)
    if transcript_id is None or ends_at is None or visit.tap is not None:
        return
    visit.tap = Tap(transcript_id, visit.listener.name, visit.id, ends_at)
    visit.tap.remark(f"{visit.listener.name.upper()} session with {visit.client_ip}")


def watched_address(address: Address) -> int | None:
    return _watched.addresses.get(address.encode().lower()) if _watched else None


async def follow(listeners: Sequence[Listener]) -> None:
    """Until cancelled: let settings of logs and transcripts act in this process."""
    global _watched
    while True:
        try:
            await bridge.ask(_apply)
            before, _watched = _watched, await bridge.ask(transcripts.watched)
            if before != _watched:
                _retap(listeners)
        except Exception:
            log.exception("the settings of the logs could not be read; tried again")
        await asyncio.sleep(FOLLOW_SECONDS)


def _apply() -> None:
    logs.apply()
    logcounts.tell()


def _retap(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        for visit in listener.visits:
            if visit.tap is not None and visit.tap.transcript_id not in _watched.ends_at:
                visit.tap = None
            tap(visit, _watched.clients.get(visit.client_ip))
            tap(visit, _watched.accounts.get(visit.account_id or 0))
