"""The form of records, and walking over segments that are whole, torn or rubbish."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobs.body import Body
from blobs.record import (
    FLAG_COPIED,
    SEGMENT_HEADER_BYTES,
    Broken,
    Found,
    decode_segment_header,
    encode_head,
    encode_segment_header,
    mark_of,
    scan,
)

NONCE = b"\x01\x02\x03\x04\x05\x06\x07\x08"
SMALL = st.binary(max_size=60)


def encoded(blob_id, body=b"body", *, meta=b"meta", facts=b"facts", nonce=NONCE, flags=0):
    held = Body(Path("/nowhere"), body)  # too small to need its directory
    head = encode_head(
        mark_of(nonce),
        blob_id=blob_id,
        meta=meta,
        facts=facts,
        body_bytes=held.size_bytes,
        digest=held.digest,
        body_crc=held.crc,
        flags=flags,
    )
    return head + body


def segment_of(*records, nonce=NONCE):
    return encode_segment_header(7, nonce) + b"".join(records)


def walk(path, content, **how):
    path.write_bytes(content)
    return list(scan(path, **how))


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("records") / "x.seg"


def test_segment_header_reads_back():
    assert decode_segment_header(encode_segment_header(7, NONCE)) == (7, NONCE)
    assert decode_segment_header(b"\0" * 32) is None


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), SMALL, SMALL, SMALL), max_size=5))
@settings(max_examples=100)
def test_scan_finds_what_was_written(path, rows):
    records = [encoded(n, body, meta=meta, facts=facts) for n, meta, facts, body in rows]
    content = segment_of(*records)
    found = walk(path, content)
    assert [(f.header.blob_id, f.meta, f.facts) for f in found] == [row[:3] for row in rows]
    bodies = [content[f.offset + f.header.body_start : f.end] for f in found]
    assert bodies == [row[3] for row in rows]


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_scan_of_any_bytes_covers_them_and_raises_nothing(path, content):
    seen = walk(path, content)
    assert all(isinstance(s, Broken) for s in seen)
    if len(content) > SEGMENT_HEADER_BYTES:
        assert seen[-1].end == len(content)


@given(st.integers(32, 32 + 3 * 77 - 1), st.integers(1, 255))
@settings(max_examples=150)
def test_one_changed_byte_breaks_one_record_only(path, at, change):
    content = bytearray(segment_of(*(encoded(n) for n in (1, 2, 3))))
    assert len(content) == 32 + 3 * 77
    content[at] ^= change
    seen = walk(path, bytes(content))
    hit = (at - 32) // 77 + 1
    assert [s.header.blob_id for s in seen if isinstance(s, Found)] == [
        n for n in (1, 2, 3) if n != hit
    ]
    assert [(s.offset, s.end) for s in seen if isinstance(s, Broken)] == [
        (32 + (hit - 1) * 77, 32 + hit * 77)
    ]


@given(st.integers(1, 76))
@settings(max_examples=76)
def test_torn_last_record_is_reported(path, missing):
    content = segment_of(encoded(1), encoded(2))
    first, torn = walk(path, content[:-missing])
    assert first.header.blob_id == 1
    assert (torn.offset, torn.end) == (32 + 77, len(content) - missing)


def test_record_inside_a_broken_mail_is_not_believed(path):
    forged = segment_of(encoded(666, b"forged", nonce=b"guessed!"))
    content = bytearray(segment_of(encoded(1, forged), encoded(2)))
    content[32 + 20] ^= 1
    found = [s.header.blob_id for s in walk(path, bytes(content)) if isinstance(s, Found)]
    assert found == [2]


def test_lost_segment_header_costs_no_record(path):
    content = b"\0" * 32 + segment_of(encoded(1), encoded(2))[32:]
    seen = walk(path, content)
    assert [s.header.blob_id for s in seen if isinstance(s, Found)] == [1, 2]


def test_zeros_at_the_end_are_one_broken_piece(path):
    *_, zeros = walk(path, segment_of(encoded(1)) + b"\0" * 5_000)
    assert zeros.reason == "no record"


def test_missing_file_is_reported(tmp_path):
    (seen,) = scan(tmp_path / "none.seg")
    assert "No such file" in seen.reason


def test_broken_body_can_be_passed_over_unread(path):
    content = bytearray(segment_of(encoded(1)))
    content[-1] ^= 1
    assert isinstance(walk(path, bytes(content))[0], Broken)
    assert isinstance(walk(path, bytes(content), check_bodies=False)[0], Found)


def test_copy_says_that_it_is_one(path):
    (found,) = walk(path, segment_of(encoded(1, flags=FLAG_COPIED)))
    assert found.header.is_copy


def test_mark_across_two_reads_is_found(path):
    gap = b"x" * ((1 << 20) - 5)
    content = segment_of(encoded(1), gap, encoded(2))
    assert [s.header.blob_id for s in walk(path, content) if isinstance(s, Found)] == [1, 2]
