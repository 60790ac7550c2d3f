"""The spool as plain text: tables and forms for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from blobs.ids import encode_id
from spool import lost as in_lost_and_found
from spool.listing import Page
from spool.lostviewing import LostView
from spool.models import HoldRule, LostRecord, SpoolChange
from spool.statistics import Statistics
from spool.viewing import MessageView, RecipientView

WIDTH = 180
FEW = 3  # recipients named in a line


def messages(page: Page) -> str:
    table = Table(title="Spool")
    has_removals = any(row.removed_at for row in page.rows)
    for name in (
        "id", "sender", "to", "KB", "done", "since", "tries", "next (UTC)", "prio", "status",
        "path",
        *(["removed (UTC)"] if has_removals else []),
    ):  # fmt: skip
        table.add_column(name)
    for row in page.rows:
        due = "now" if row.is_in_work else _at(row.next_at)
        mark = "*" if row.is_priority_manual else ""
        _add(
            table, row.file_name, row.sender, row.recipients, f"{row.size_kb:,}",
            f"{row.delivered}/{row.total}", span(row.time_in_spool), row.attempts, due,
            f"{row.priority}{mark}", row.status, row.spool_path,
            *([_at(row.removed_at)] if has_removals else []),
        )  # fmt: skip
    return _drawn(table) + f"{page.shown} messages\n"


def view(shown: MessageView | LostView) -> str:
    """Only what can do no harm in a terminal."""
    lines = [f"{name}: {value}" for name, value in shown.readable.fields]
    lines += ["", shown.readable.text]
    for one in shown.readable.attachments:
        lines.append(f"[{one.content_type}, {one.size_bytes:,} bytes: {one.name or 'no name'}]")
    if shown.is_cut:
        lines.append("[the message is longer than what is shown]")
    return "\n".join(lines) + "\n"


def recipients(found: Iterable[RecipientView]) -> str:
    table = Table(title="Recipients")
    for name in ("address", "status", "tries", "next (UTC)", "way", "last reply", "of", "TLS"):
        table.add_column(name)
    for one in found:
        last = one.last_try
        host = f"{last.host} [{last.host_address}]" if last and last.host else ""
        original = one.original_address
        written = f" (as {original})" if original not in ("", one.address) else ""
        _add(
            table, one.address + written, one.status, one.attempts, _at(one.next_at), one.way,
            last.reply if last else one.reply, host, last.tls if last else "",
        )  # fmt: skip
    return _drawn(table)


def changes(found: Iterable[SpoolChange], *, now: datetime) -> str:
    table = Table(title="Changes")
    for name in ("id", "at (UTC)", "by", "what", "which", "set to", "done", "skipped", "undo"):
        table.add_column(name)
    for one in found:
        undo = "undone" if one.undone_at else ""
        if not undo and one.undo_until is not None and one.undo_until > now:
            undo = f"until {_at(one.undo_until)} UTC"
        _add(
            table, encode_id(one.pk), _at(one.at), one.actor, one.get_verb_display(),
            one.selection, one.parameter, one.done, one.skipped, undo,
        )  # fmt: skip
    return _drawn(table)


def rules(found: Iterable[HoldRule]) -> str:
    table = Table(title="Standing holds")
    for name in (
        "rule", "sender", "recipient", "destination", "domain", "reason", "until (UTC)", "mail is",
    ):  # fmt: skip
        table.add_column(name)
    for one in found:
        domain = one.domain.name if one.domain else ""
        _add(
            table, one.pk, one.sender, one.recipient, one.destination, domain, one.reason,
            _at(one.until), "put in quarantine" if one.quarantines else "held",
        )  # fmt: skip
    return _drawn(table)


def lost(found: Iterable[LostRecord]) -> str:
    table = Table(title="lost+found")
    for name in ("id", "handed in (UTC)", "sender", "recipients", "KB", "state", "why"):
        table.add_column(name)
    for one in found:
        _add(
            table, one, _at(one.written_at), one.sender, _few(one.recipients),
            f"{-(-one.size_bytes // 1024):,}", one.get_state_display(), one.reason,
        )  # fmt: skip
    return _drawn(table)


def plain_lost(one: LostRecord) -> dict[str, Any]:
    """The same for programs."""
    return {
        "id": str(one),
        "state": one.state,
        "reason": one.reason,
        "written_at": one.written_at.isoformat() if one.written_at else None,
        "found_at": one.found_at.isoformat(),
        "sender": one.sender,
        "recipients": one.recipients,
        "message_id": one.message_id,
        "size_bytes": one.size_bytes,
        "file": in_lost_and_found.place_of(one),
    }


def numbers(found: Statistics) -> str:
    oldest = "nothing waits" if found.oldest_age is None else span(found.oldest_age)
    lines = [
        f"Messages in the spool: {_count(found.messages)}, recipients: {_count(found.recipients)},"
        f" of these held: {_count(found.held)}, in quarantine: {_count(found.quarantined)}",
        f"Oldest: {oldest}",
        f"In:  {found.accepted_per_minute:,.1f} recipients a minute",
        f"Out: {found.ended_per_minute:,.1f} recipients a minute,"
        f" {found.deferred_per_minute:,.1f} tries to be repeated",
        found.forecast.words,
    ]
    table = Table(title="Destinations")
    for name in ("destination", "recipients", "held", "empty at (UTC)"):
        table.add_column(name)
    for one in found.destinations:
        _add(table, one.name or "(mailboxes here)", f"{one.recipients:,}", f"{one.held:,}",
             _at(one.empty_at))  # fmt: skip
    errors = Table(title="Last errors")
    for name in ("at (UTC)", "host", "reply"):
        errors.add_column(name)
    for error in found.last_errors:
        _add(errors, _at(error.at), error.host, error.reply)
    return "\n".join(lines) + "\n" + _drawn(table) + _drawn(errors)


def span(length: timedelta) -> str:
    """A length of time in one or two units."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"


def _few(addresses: Sequence[str]) -> str:
    rest = len(addresses) - FEW
    return ", ".join(addresses[:FEW]) + (f" and {rest:,} more" if rest > 0 else "")


def _count(number: int | None) -> str:
    return "not counted yet" if number is None else f"{number:,}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%d %b %H:%M:%S}" if moment else ""


def _add(table: Table, *cells: object) -> None:
    # As Text: brackets in addresses and replies are not to be read as markup.
    table.add_row(*(Text(str(cell)) for cell in cells))


def _drawn(table: Table) -> str:
    console = Console(width=WIDTH)
    with console.capture() as shown:
        console.print(table)
    return shown.get()
