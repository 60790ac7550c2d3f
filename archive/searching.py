"""Search and read the archive as somebody who may; every search and look is on record (A-010)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from accounts import permissions
from accounts.errors import NotPermitted
from accounts.models import Role, User
from accounts.permissions import Verb
from archive import engine
from archive.engine import Archived, Criteria, Engine, Found
from archive.errors import ArchivedUnknown
from domains.models import Domain
from events import audit
from protocols.message import reading
from protocols.message.reading import Readable

# What is behind that is in the download only.
SHOWN_BYTES = 2 * 1024 * 1024
LONGEST_KEY = 128


@dataclass(frozen=True, slots=True)
class ArchivedView:
    """What a person sees of a message; all of it is hostile text."""

    message: Archived
    readable: Readable
    source: str
    is_cut: bool  # the message is longer than what is shown


def is_open_for(actor: User) -> bool:
    """Whether the actor has the page: with an engine or without for system administrators (A-008).

    Administrators of a domain have it where that very domain is archived.
    """
    if not actor.is_active:
        return False
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return True
    found = engine.current()
    return (
        found is not None
        and actor.role == Role.DOMAIN_ADMINISTRATOR
        and actor.domain_id is not None
        and found.is_open_for(actor.domain_id)
    )


def require_open(actor: User) -> None:
    """Raises NotPermitted."""
    if not is_open_for(actor):
        raise NotPermitted(Verb.VIEW)


def search(actor: User, criteria: Criteria, *, cursor: str = "", limit: int = 50) -> Found:
    """Within what the actor may see. Raises NotPermitted; nothing is found without an engine."""
    criteria = within_sight(actor, criteria)
    found = engine.current()
    if found is None:
        return Found(())
    subject = _subject(actor, criteria)
    audit.record(actor, "searched the archive", subject, facts_of(criteria, cursor))
    return found.search(criteria, cursor=cursor, limit=limit)


def within_sight(actor: User, criteria: Criteria) -> Criteria:
    """What a domain's administrator searches is his domain, whatever he asks. NotPermitted."""
    require_open(actor)
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return replace(criteria, domain_id=None)
    return replace(criteria, domain_id=actor.domain_id, domain="")


def message(actor: User, key: str) -> Archived:
    """Raises NotPermitted, ArchivedUnknown."""
    require_open(actor)
    found = engine.current()
    row = found.message(key) if found is not None and 0 < len(key) <= LONGEST_KEY else None
    if row is None or not _is_in_sight(actor, row):
        raise ArchivedUnknown(key)
    return row


def view(actor: User, key: str) -> ArchivedView:
    """Header and safe text. Raises NotPermitted, ArchivedUnknown."""
    row = message(actor, key)
    permissions.require_sight_of_mail(actor)
    content = _engine(key).read(key)
    record(actor, "viewed an archived message", row)
    shown = content[:SHOWN_BYTES]
    return ArchivedView(
        message=row,
        readable=reading.read(shown),
        source=shown.decode("utf-8", "replace"),
        is_cut=len(content) > SHOWN_BYTES,
    )


def read(actor: User, key: str, *, verb: str = "") -> tuple[Archived, bytes]:
    """The message and its bytes; `verb` goes on record, if whoever asks has not recorded it.

    Raises NotPermitted, ArchivedUnknown.
    """
    row = message(actor, key)
    permissions.require_sight_of_mail(actor)
    content = _engine(key).read(key)
    if verb:
        record(actor, verb, row)
    return row, content


def record_export(actor: User, criteria: Criteria, *, chosen: int) -> None:
    """One entry for the whole, however many messages; `chosen` 0: all that fit."""
    facts = {**facts_of(criteria), "chosen": (None, chosen)}
    audit.record(actor, "exported archived mail", _subject(actor, criteria), facts)


def record(actor: User, verb: str, row: Archived) -> None:
    """In the trail of the actor's domain, or of the first domain of the message that stands."""
    facts = {
        "message": (None, row.key),
        "sender": (None, row.sender),
        "subject": (None, row.subject),
    }
    audit.record(actor, verb, _domain_of(actor, row) or actor, facts)


def _engine(key: str) -> Engine:
    found = engine.current()
    if found is None:
        raise ArchivedUnknown(key)
    return found


def _is_in_sight(actor: User, row: Archived) -> bool:
    return actor.role == Role.SYSTEM_ADMINISTRATOR or actor.domain_id in row.domain_ids


def _domain_of(actor: User, row: Archived) -> Domain | None:
    if actor.role != Role.SYSTEM_ADMINISTRATOR:
        return actor.domain
    return Domain.objects.filter(pk__in=row.domain_ids).order_by("pk").first()


def _subject(actor: User, criteria: Criteria) -> Domain | User:
    if criteria.domain_id is not None and actor.domain is not None:
        return actor.domain
    named = Domain.objects.filter(name=criteria.domain.lower()).first() if criteria.domain else None
    return named or actor


def facts_of(criteria: Criteria, cursor: str = "") -> audit.Changes:
    """Only what was asked for."""
    asked: dict[str, str | datetime | None] = {
        "domain": criteria.domain,
        "since": criteria.since,
        "before": criteria.before,
        "sender": criteria.sender,
        "recipient": criteria.recipient,
        "subject": criteria.subject,
        "further_page": cursor,
    }
    return {name: (None, value) for name, value in asked.items() if value}
