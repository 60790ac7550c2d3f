"""Notes as bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.frames import FRAME_BYTES, BadFrame, decode, encode, node_of
from switchboard.topics import Note, Topic

KEYS = st.integers(-(2**63), 2**63 - 1)
NOTES = st.builds(
    Note, st.sampled_from(Topic), KEYS, st.binary(max_size=4_000), st.integers(0, 2**63 - 1)
)


@given(st.lists(NOTES, min_size=1, max_size=20), st.integers(0, 15))
def test_frames_read_back(notes, node):
    frames = encode(notes, node=node)
    assert [note for frame in frames for note in decode(frame)] == notes
    assert all(len(frame) <= FRAME_BYTES and node_of(frame) == node for frame in frames)


@given(st.binary(max_size=200))
def test_any_bytes_are_notes_or_a_bad_frame(frame):
    for bytes_ in (frame, b"N1" + frame):
        with contextlib.suppress(BadFrame):
            decode(bytes_)


def test_note_of_an_unknown_topic_is_passed_over():
    frame = bytearray(encode([Note(Topic.SPOOL), Note(Topic.DOMAIN, 7)], node=0)[0])
    frame[3] = 63
    assert decode(bytes(frame)) == [Note(Topic.DOMAIN, 7)]


def test_frame_cut_short_is_bad():
    (frame,) = encode([Note(Topic.DOMAIN, 7, b"payload")], node=0)
    for end in range(4, len(frame)):
        with pytest.raises(BadFrame):
            decode(frame[:end])
