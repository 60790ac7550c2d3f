"""The index of a domain's mail is read line by line, whatever its bytes are."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes import index
from mailboxes.index import (
    FolderLine,
    Head,
    IndexBroken,
    Malformed,
    MessageLine,
    SubscriptionLine,
)
from mailboxes.models import SpecialUse

MOMENT = st.integers(0, 253_402_300_799_999_999)
UID = st.integers(1, 4_000_000_000)
HEAD = Head(format=index.FORMAT, domain="one.example", made_at=0)

folder_lines = st.builds(
    FolderLine,
    number=st.integers(1, 99), user=st.sampled_from(["ann", "bo"]),
    name=st.sampled_from(["Work", "Work/Ü", "a b"]), special_use=st.just(SpecialUse.SENT),
    uidvalidity=st.integers(1, 2**32 - 1), uid_next=UID, highest_modseq=UID, recent_uid=UID,
)  # fmt: skip
message_lines = st.builds(
    MessageLine,
    folder=st.integers(1, 99), uid=UID, modseq=UID, flags=st.integers(0, 31),
    keywords=st.sampled_from(["", "$Work", "a b"]), digest=st.binary(min_size=16, max_size=16)
    .map(bytes.hex), prefix=st.sampled_from(["", "Return-Path: <ä@b>\r\nDelivered-To: c@d\r\n"]),
    received_at=MOMENT, saved_at=MOMENT,
)  # fmt: skip
subscriptions = st.builds(SubscriptionLine, user=st.just("ann"), name=st.just("Gone"))
any_lines = st.lists(st.one_of(folder_lines, message_lines, subscriptions), max_size=20)


def encoded(lines: list[index.AnyLine], domain_id: int | None = None) -> bytes:
    file = io.BytesIO()
    index.write_lines(file, [HEAD, *lines], domain_id=domain_id)
    return file.getvalue()


def read(octets: bytes) -> list[object]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / index.NAME
        path.write_bytes(octets)
        return list(index.lines_of(path))


@settings(max_examples=100, deadline=None)
@given(lines=any_lines)
def test_what_was_written_is_read(lines: list[index.AnyLine]) -> None:
    assert read(encoded(lines)) == lines


@settings(max_examples=200, deadline=None)
@given(lines=any_lines, cut=st.integers(0), junk=st.binary(max_size=80))
def test_any_bytes_are_lines_or_told_of(lines: list[index.AnyLine], cut: int, junk: bytes) -> None:
    octets = encoded(lines)
    place = cut % (len(octets) + 1)
    found = read(octets[:place] + junk + octets[place:])
    assert all(isinstance(line, index.Line | Malformed) for line in found)
    # One place can spoil two lines, or as many as the junk has: the others are still read.
    read_well = [line for line in found if line in lines]
    assert len(read_well) >= len(lines) - 2
    if place < len(octets) - 1:
        assert any(isinstance(line, Malformed) for line in read(octets[:place]))


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(max_size=300))
def test_a_file_that_is_no_index_says_so(octets: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / index.NAME
        path.write_bytes(octets)
        with pytest.raises(IndexBroken):
            index.read_head(path)
        assert not index.is_ours(path, 1)


def test_a_cut_file_is_told_of() -> None:
    line = SubscriptionLine(user="ann", name="Gone")
    found = read(encoded([line]).rpartition(b'{"kind":"end"')[0])
    assert found == [line, Malformed(2, "the file is cut short behind it")]


def test_only_the_seal_of_that_very_domain_makes_an_index_ours(tmp_path: Path) -> None:
    path = tmp_path / index.NAME
    line = SubscriptionLine(user="ann", name="Gone")
    for octets, is_ours in (
        (encoded([line], 7), True),
        (encoded([line], 8), False),
        (encoded([line], None), False),
        (encoded([line], 7).replace(b"Gone", b"Here"), False),
        (encoded([line], 7) + b"\n", False),
    ):
        path.write_bytes(octets)
        assert index.is_ours(path, 7) is is_ours
        assert (index.found(tmp_path, 7) is None) is is_ours
