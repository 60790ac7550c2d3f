"""Writing records to segments and reading them back."""

import errno
import io
import os
import shutil
import threading

import pytest

from blobs import segment as segment_module
from blobs.committer import Job
from blobs.errors import BlobDamaged, BlobGone, StoreFailed, StoreFull
from blobs.ids import encode_id, new_id
from blobs.models import Area, Blob, Segment
from blobs.reading import forget_all, forget_segment
from blobs.record import Found, scan
from blobs.segment import SEGMENT_BYTES, OpenSegment
from blobs.space import Floor, free_space
from blobs.store import (
    Body,
    Location,
    NewRecord,
    SegmentWriter,
    ensure_area,
    locate,
    open_body,
    read_body,
    read_facts,
    read_meta,
)

LARGE = os.urandom(1 << 20) * 3


@pytest.fixture
def writer(area):
    return SegmentWriter(area)


@pytest.fixture
def stored(committer, record):
    """Writes a body with its rows; gives the location."""

    def store(body, **others):
        new = record(body, **others)
        committer.commit_now(Plain(records=[new]))
        return new.location

    return store


class Plain(Job):
    @staticmethod
    def write_rows(jobs, cursor):
        pass


@pytest.mark.parametrize("body", [b"", b"x", b"y" * 300_000, LARGE])
def test_record_reads_back(stored, body):
    location = stored(body, meta=b"{}", facts=b"f" * 1_000)
    assert read_body(location) == body
    assert read_meta(location) == b"{}"
    assert read_facts(location) == b"f" * 1_000
    assert locate([location.blob_id]) == {location.blob_id: location}


def test_part_of_a_body_is_read_alone(stored):
    location = stored(bytes(range(256)))
    assert read_body(location, 10, 20) == bytes(range(10, 20))
    assert read_body(location, 250) == bytes(range(250, 256))
    assert read_body(location, 250, 999) == bytes(range(250, 256))
    assert read_body(location, 999) == read_body(location, 20, 10) == b""


def test_open_body_is_a_seekable_file(stored):
    location = stored(LARGE)
    with open_body(location) as file:
        assert file.seek(-5, io.SEEK_END) == len(LARGE) - 5
        assert file.read() == LARGE[-5:]
        file.seek(0)
        assert io.BufferedReader(file).read() == LARGE


def test_many_records_of_one_append_lie_in_one_segment(writer, record):
    records = [record(b"%d" % n * n) for n in range(600)]
    locations = writer.append(records)
    writer.sync()
    assert len({at.segment_id for at in locations}) == 1
    found = list(scan(writer.segment.path))
    assert [f.header.blob_id for f in found] == [r.blob_id for r in records]
    writer.close()


def test_large_bodies_between_small_ones_keep_their_places(writer, record):
    bodies = [b"a", LARGE, b"b" * 100_000, LARGE[:-7], b""]
    locations = writer.append([record(body) for body in bodies])
    content = writer.segment.path.read_bytes()
    for location, body in zip(locations, bodies, strict=True):
        assert content[location.body_offset : location.offset + location.length] == body
    assert all(isinstance(seen, Found) for seen in scan(writer.segment.path))


def test_kernel_without_copy_file_range_copies_by_hand(writer, record, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "other file system")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    (location,) = writer.append([record(LARGE)])
    assert writer.segment.path.read_bytes()[location.body_offset :] == LARGE


def test_full_segment_is_followed_by_a_new_one(writer, record, monkeypatch):
    monkeypatch.setattr(segment_module, "SEGMENT_BYTES", 10_000)
    first, *_ = writer.append([record(b"x" * 6_000)])
    writer.segment.is_recorded = True
    second, *_ = writer.append([record(b"x" * 6_000)])
    assert first.segment_id != second.segment_id
    assert [s.segment_id for s in writer.finished] == [first.segment_id]


def test_record_larger_than_a_segment_has_one_alone(writer, record, monkeypatch):
    monkeypatch.setattr(segment_module, "SEGMENT_BYTES", 10_000)
    (location,) = writer.append([record(b"x" * 60_000)])
    assert location.offset == 32


def test_segment_never_committed_to_is_removed(writer, record):
    writer.append([record()])
    path = writer.segment.path
    writer.close()
    assert not path.exists()


def test_failed_write_leaves_nothing_behind(writer, record, monkeypatch):
    writer.append([record()])
    before = writer.segment.path.read_bytes()
    real = os.pwritev

    def fail_half_way(fd, buffers, offset):
        real(fd, [b"".join(buffers)[:50]], offset)
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(os, "pwritev", fail_half_way)
    with pytest.raises(StoreFailed):
        writer.append([record()])
    monkeypatch.undo()
    assert writer.segment.path.read_bytes() == before
    writer.append([record()])
    assert all(isinstance(seen, Found) for seen in scan(writer.segment.path))


def test_segment_is_not_trusted_after_a_failed_sync(writer, record, monkeypatch):
    writer.append([record()])
    writer.sync()
    writer.segment.is_recorded = True
    before = writer.segment

    def fail(_):
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(os, "fdatasync", fail)
    writer.append([record()])
    with pytest.raises(StoreFailed):
        writer.sync()
    monkeypatch.undo()
    (location,) = writer.append([record()])
    assert location.segment_id != before.segment_id
    assert len(list(scan(before.path))) == 1


@pytest.mark.spec("S-057")
def test_full_disk_keeps_what_it_had_and_recovers(small_disk, transactional_db):
    area = ensure_area("small", path=str(small_disk / "spool"), kind=Area.Kind.SPOOL)
    writer = SegmentWriter(area)

    def new(size):
        return NewRecord(new_id(), b"", b"", Body(area, os.urandom(size)))

    kept = writer.append([new(200_000) for _ in range(10)])
    size = writer.segment.path.stat().st_size
    with pytest.raises(StoreFull) as full:
        writer.append([new(250_000) for _ in range(12)])
    assert full.value.needed_bytes > 3_000_000
    assert writer.segment.path.stat().st_size == size
    kept += writer.append([new(1_000)])
    found = list(scan(writer.segment.path))
    assert [f.header.blob_id for f in found] == [at.blob_id for at in kept]


@pytest.mark.spec("S-057")
def test_free_space_is_low_below_the_floor(small_disk):
    assert free_space(small_disk, Floor()).floor_bytes == int((4 << 20) * 0.05)
    assert free_space(small_disk, Floor(1 << 20, 0.5)).floor_bytes == 1 << 20
    assert not free_space(small_disk, Floor()).is_low
    (small_disk / "x").write_bytes(b"x" * int(3.9 * (1 << 20)))
    assert free_space(small_disk, Floor()).is_low


def test_changed_byte_in_a_body_is_damage(stored, area):
    location = stored(b"x" * 1_000)
    change_byte(location, location.body_offset + 500)
    with pytest.raises(BlobDamaged, match="body checksum"):
        read_body(location)
    assert read_meta(location) == b"meta"


def test_changed_byte_in_facts_is_damage(stored):
    location = stored(b"x" * 1_000)
    change_byte(location, location.body_offset - 1)
    with pytest.raises(BlobDamaged, match="header checksum"):
        read_facts(location)


def test_location_of_another_record_is_damage(stored):
    one, other = stored(b"one"), stored(b"two")
    wrong = other._replace(blob_id=one.blob_id)
    with pytest.raises(BlobDamaged):
        read_body(wrong)


def test_segment_cut_short_is_damage(stored):
    location = stored(b"x" * 1_000)
    os.truncate(path_of(location), location.offset + location.length - 1)
    with pytest.raises(BlobDamaged):
        read_body(location)
    with pytest.raises(BlobDamaged):
        read_body(location, 990, 1_000)


def test_unknown_blob_is_gone(area):
    with pytest.raises(BlobGone):
        read_body(Location(1, 2, 32, 100, 10))


def test_missing_segment_is_damage(stored):
    location = stored(b"x")
    path_of(location).unlink()
    forget_segment(location.segment_id)
    with pytest.raises(BlobDamaged):
        read_body(location)


def test_area_that_moved_is_found_again(stored, area, tmp_path):
    location = stored(b"moved")
    assert read_body(location) == b"moved"
    forget_segment(location.segment_id)
    shutil.move(area.directory, tmp_path / "elsewhere")
    Area.objects.filter(pk=area.pk).update(path=str(tmp_path / "elsewhere"))
    assert read_body(location) == b"moved"


def test_many_threads_read_through_few_open_files(stored, monkeypatch):
    monkeypatch.setattr("blobs.reading.OPEN_FILES", 2)
    monkeypatch.setattr(segment_module, "SEGMENT_BYTES", 1_000)
    locations = [stored(b"%d" % n * 500) for n in range(8)]
    assert len({at.segment_id for at in locations}) == 8
    for location in locations:
        read_body(location)  # so that the threads need no database
    failures = []

    def read():
        for _ in range(100):
            for n, location in enumerate(locations):
                if read_body(location) != b"%d" % n * 500:
                    failures.append(n)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_forked_child_lets_go_of_the_segment(writer, record):
    writer.append([record()])
    fd = writer.segment.fd
    pid = os.fork()
    if pid == 0:
        try:
            os.fstat(fd)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert isinstance(writer.segment, OpenSegment)


def test_segments_are_named_by_their_ids(stored, area):
    location = stored(b"x")
    segment = Segment.objects.get()
    assert segment.path == area.directory / f"{encode_id(location.segment_id)}.seg"
    assert segment.path.stat().st_size == segment.size_bytes < SEGMENT_BYTES
    assert Blob.objects.get().digest == Body(area, b"x").digest


def path_of(location):
    forget_all()
    return Segment.objects.get(pk=location.segment_id).path


def change_byte(location, at):
    path = path_of(location)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
