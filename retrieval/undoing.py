"""Undoing what was changed about retrieval accounts; a removed one has lost its password."""

from __future__ import annotations

from accounts.models import User
from administration.errors import CannotUndo, GoneSince
from administration.rules.table import old_values, undoes
from events.models import AuditEntry
from retrieval import selectors, services
from retrieval.models import RetrievalAccount

ACCOUNT = "retrieval.retrievalaccount"


@undoes(ACCOUNT, "added retrieval account")
def added(entry: AuditEntry, by: User | None) -> bool:
    row = _find(entry, by)
    if row is not None:
        services.remove(account=row, by=by)
    return row is not None


@undoes(ACCOUNT, "changed retrieval account")
def changed(entry: AuditEntry, by: User | None) -> bool:
    row = _find(entry, by)
    if row is None:
        raise GoneSince(f"the retrieval account {entry.object_name}")
    values = old_values(entry, row)
    if "password" in entry.changes or values.keys() & services.GUARDED:
        raise CannotUndo("the password that it had is gone: change it by hand")
    if values:
        services.change(account=row, values=values, by=by)
    return bool(values)


def _find(entry: AuditEntry, by: User | None) -> RetrievalAccount | None:
    rows = RetrievalAccount.objects.all() if by is None else selectors.accounts_for(by)
    return rows.filter(pk=entry.object_id or 0).first()
