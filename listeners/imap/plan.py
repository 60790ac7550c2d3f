"""How the answer to a FETCH is put together: worked out once for each list of items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from clock.moments import from_micros
from listeners.imap.details import Details
from listeners.imap.selected import Picked, Selected
from mailboxes.selectors import StoredMessage
from protocols.imap.dates import encode_date_time
from protocols.imap.fetch import Attribute, FetchItem, Section, Wanted

END = b")\r\n"

Column = Callable[[Selected, list[Picked], Details], Iterable[object]]
FactsText = Callable[[StoredMessage], bytes]


@lru_cache(maxsize=4096)
def _date_text(received_at: int) -> bytes:
    return encode_date_time(from_micros(received_at))


def _numbers(selected: Selected, picked: list[Picked], details: Details) -> Iterable[object]:
    return [number for number, _ in picked]


def _uids(selected: Selected, picked: list[Picked], details: Details) -> Iterable[object]:
    return selected.uids_of(picked)


def _flags(selected: Selected, picked: list[Picked], details: Details) -> Iterable[object]:
    return selected.flags_texts(picked)


def _sizes(selected: Selected, picked: list[Picked], details: Details) -> Iterable[object]:
    return details.sizes_of(selected.uids_of(picked))


def _dates(selected: Selected, picked: list[Picked], details: Details) -> Iterable[object]:
    return map(_date_text, details.dates_of(selected.uids_of(picked)))


def _modseqs(selected: Selected, picked: list[Picked], details: Details) -> Iterable[object]:
    modseqs = selected.folder.modseqs
    return [modseqs[place] for _, place in picked]


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
    needs_details: bool

    @property
    def needs_columns_only(self) -> bool:
        return not self.texts and not self.sections

    def heads(self, selected: Selected, picked: list[Picked], details: Details) -> list[bytes]:
        """The response of each message up to the items that do not come from columns.

        Where there are none, these are whole responses; END is to follow otherwise.
        """
        columns = [column(selected, picked, details) for column in self.columns]
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
    needs_details = Attribute.SIZE in items or Attribute.INTERNALDATE in items
    return Plan(template, columns, texts, sections, needs_details)
