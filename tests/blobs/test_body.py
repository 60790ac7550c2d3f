"""Bodies while they arrive."""

import os
from hashlib import blake2b

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blobs.body import SPILL_BYTES, Body
from blobs.errors import StoreFull


@given(st.lists(st.binary(max_size=2_000), max_size=20), st.integers(1, 40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_body_gives_back_what_was_written(tmp_path, chunks, times):
    with Body(tmp_path) as body:
        for _ in range(times):
            for chunk in chunks:
                body.write(chunk)
        whole = b"".join(chunks) * times
        assert body.read() == whole == b"".join(body.chunks())
        assert body.size_bytes == len(whole)
        assert body.digest == blake2b(whole, digest_size=16).digest()


def test_large_body_spills_to_a_file_without_a_name(tmp_path):
    body = Body(tmp_path)
    for _ in range(10):
        body.write(b"x" * (SPILL_BYTES // 2))
    assert body.spilled_bytes >= SPILL_BYTES
    assert sum(map(len, body.held_chunks)) <= SPILL_BYTES
    assert os.listdir(tmp_path) == []
    assert body.read() == b"x" * (SPILL_BYTES * 5)
    body.close()


def test_close_may_be_called_again_and_gives_the_file_back(tmp_path):
    body = Body(tmp_path, b"x" * (SPILL_BYTES + 1))
    fd = body.spilled_fd
    body.close()
    body.discard()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_body_makes_its_directory(tmp_path):
    body = Body(tmp_path / "spool", b"x" * (SPILL_BYTES + 1))
    assert body.spilled_fd is not None


@pytest.mark.spec("S-057")
def test_disk_full_while_a_body_arrives_is_a_fact(small_disk):
    body = Body(small_disk)
    with pytest.raises(StoreFull):
        for _ in range(100):
            body.write(b"x" * SPILL_BYTES)
    assert body.spilled_fd is None
