"""How the answer to a FETCH is put together: worked out once for each list of items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from clock.moments import from_micros
from listeners.imap.selected import Picked, Selected
from mailboxes.selectors import StoredMessage
from protocols.imap.dates import encode_date_time
from protocols.imap.fetch import Attribute, FetchItem, Section, Wanted

END = b")\r\n"

Column = Callable[[Selected, list[Picked]], Iterable[object]]
FactsText = Callable[[StoredMessage], bytes]


@lru_cache(maxsize=4096)
def _date_text(received_at: int) -> bytes:
    return encode_date_time(from_micros(received_at))


def _numbers(selected: Selected, picked: list[Picked]) -> Iterable[object]:
    return [number for number, _ in picked]


def _uids(selected: Selected, picked: list[Picked]) -> Iterable[object]:
    uids = selected.folder.uids
    return [uids[index] for _, index in picked]


def _flags(selected: Selected, picked: list[Picked]) -> Iterable[object]:
    folder = selected.folder
    states = folder.states
    if selected.has_recent:
        uids = folder.uids
        return [selected.flags_text(uids[index], states[index]) for _, index in picked]
    texts = folder.flag_sets.texts
    return [texts[states[index]] for _, index in picked]


def _sizes(selected: Selected, picked: list[Picked]) -> Iterable[object]:
    sizes = selected.folder.sizes
    return [sizes[index] for _, index in picked]


def _dates(selected: Selected, picked: list[Picked]) -> Iterable[object]:
    received_at = selected.folder.received_at
    return [_date_text(received_at[index]) for _, index in picked]


def _modseqs(selected: Selected, picked: list[Picked]) -> Iterable[object]:
    modseqs = selected.folder.modseqs
    return [modseqs[index] for _, index in picked]


# What the columns answer: a piece of the line, and what fills its one place.
_FROM_COLUMNS: dict[FetchItem, tuple[bytes, Column]] = {
    Attribute.UID: (b"UID %d", _uids),
    Attribute.FLAGS: (b"%b", _flags),
    Attribute.SIZE: (b"RFC822.SIZE %d", _sizes),
    Attribute.INTERNALDATE: (b"INTERNALDATE %b", _dates),
    Attribute.MODSEQ: (b"MODSEQ (%d)", _modseqs),
}

_FROM_FACTS: dict[FetchItem, FactsText] = {
    Attribute.ENVELOPE: lambda message: b"ENVELOPE " + message.facts.envelope,
    Attribute.BODY: lambda message: b"BODY " + message.facts.body,
    Attribute.BODYSTRUCTURE: lambda message: b"BODYSTRUCTURE " + message.facts.bodystructure,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`template` takes a row of `columns`, the number first; it ends before the other items."""

    template: bytes
    columns: tuple[Column, ...]
    texts: tuple[FactsText, ...]  # of what is computed once at delivery
    sections: tuple[Section, ...]  # read from the body

    @property
    def needs_columns_only(self) -> bool:
        return not self.texts and not self.sections

    def heads(self, selected: Selected, picked: list[Picked]) -> list[bytes]:
        """The response of each message up to the items that do not come from columns.

        Where there are none, these are whole responses; END is to follow otherwise.
        """
        columns = [column(selected, picked) for column in self.columns]
        template = self.template
        return [template % row for row in zip(*columns, strict=True)]


@lru_cache(maxsize=512)
def plan(wanted: Wanted, with_uid: bool) -> Plan:
    """UID FETCH answers the UID even if it was not asked for. RFC 3501 §6.4.8."""
    items = list(wanted.items)
    if with_uid and Attribute.UID not in items:
        items.insert(0, Attribute.UID)
    if wanted.changed_since is not None and Attribute.MODSEQ not in items:
        items.append(Attribute.MODSEQ)
    from_columns = [_FROM_COLUMNS[item] for item in items if item in _FROM_COLUMNS]
    texts = tuple(_FROM_FACTS[item] for item in items if item in _FROM_FACTS)
    sections = tuple(item for item in items if isinstance(item, Section))
    pieces = [piece for piece, _ in from_columns]
    template = b"* %d FETCH (" + b" ".join(pieces)
    if not texts and not sections:
        template += END
    elif pieces:
        template += b" "
    columns = (_numbers, *(column for _, column in from_columns))
    return Plan(template, columns, texts, sections)
