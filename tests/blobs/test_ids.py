"""Ids: unique, rising, sortable as text."""

import contextlib
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobs import ids
from blobs.errors import BadId, NoSlotFree
from blobs.ids import MAX_ID, decode_id, encode_id, first_id_at, new_id, time_of


@given(st.integers(0, MAX_ID))
def test_encoded_id_reads_back(value):
    text = encode_id(value)
    assert len(text) == 13
    assert decode_id(text) == decode_id(text.upper()) == value


@given(st.integers(0, MAX_ID), st.integers(0, MAX_ID))
def test_encoded_ids_sort_like_the_numbers(one, other):
    assert (encode_id(one) < encode_id(other)) == (one < other)


@given(st.text(max_size=20))
def test_any_text_is_an_id_or_refused(text):
    with contextlib.suppress(BadId):
        assert 0 <= decode_id(text) <= MAX_ID


@pytest.mark.parametrize("value", [-1, MAX_ID + 1])
def test_number_beyond_63_bits_is_refused(value):
    with pytest.raises(BadId):
        encode_id(value)


def test_ids_rise_and_never_repeat():
    seen = [new_id() for _ in range(20_000)]
    assert seen == sorted(set(seen))


def test_ids_rise_while_the_clock_goes_back(monkeypatch):
    before = new_id()
    real = ids.time.time_ns
    monkeypatch.setattr(ids.time, "time_ns", lambda: real() - 3_600 * 10**9)
    assert before < new_id() < new_id()


def test_id_tells_its_time():
    now = datetime.now(UTC)
    value = new_id()
    assert abs(time_of(value) - now) < timedelta(seconds=5)
    assert first_id_at(now - timedelta(seconds=5)) < value < first_id_at(now + timedelta(seconds=5))


def test_threads_never_share_an_id():
    seen = []

    def take():
        seen.extend([new_id() for _ in range(2_000)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 8_000


def test_forked_child_takes_a_worker_number_of_its_own():
    mine = new_id()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, b"%d" % new_id())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    childs = int(os.read(reader, 100))
    os.close(reader)
    os.close(writer)
    assert worker_of(mine) == worker_of(new_id()) != worker_of(childs)


def test_slot_whose_last_owner_ran_ahead_of_the_clock_is_passed_over(tmp_path):
    now_ms = 1_000_000
    first = ids._take_slot(tmp_path, now_ms)
    first.raise_mark(now_ms + 60_000)
    os.close(first.fd)
    second = ids._take_slot(tmp_path, now_ms)
    assert (first.number, second.number) == (0, 1)
    os.close(second.fd)


def test_65th_process_is_refused(tmp_path):
    slots = [ids._take_slot(tmp_path, 0) for _ in range(ids.SLOTS)]
    assert sorted(slot.number for slot in slots) == list(range(64))
    with pytest.raises(NoSlotFree):
        ids._take_slot(tmp_path, 0)
    for slot in slots:
        os.close(slot.fd)


def test_restarted_process_goes_on_after_its_last_id(tmp_path):
    code = (
        "import django; from django.conf import settings;"
        f"settings.configure(MAILHOST_RUN={str(tmp_path)!r}, MAILHOST_NODE=3);"
        "from blobs.ids import new_id; print([new_id() for _ in range(3)][-1])"
    )
    last = 0
    for _ in range(3):
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        value = int(run.stdout)
        assert value > last
        assert worker_of(value) >> 6 == 3
        last = value


def worker_of(value):
    return value >> ids.SEQUENCE_BITS & (1 << ids.WORKER_BITS) - 1
