"""What a start finds after a crash."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from blobs.committer import Job
from blobs.ids import encode_id
from blobs.models import Blob, Segment
from blobs.reading import forget_all
from blobs.reconcile import LOST_AND_FOUND, buried, bury, forget_buried, reconcile
from blobs.record import Found, decode_segment_header, encode_head, mark_of, scan
from blobs.segment import SegmentWriter
from blobs.store import read_body

pytestmark = pytest.mark.spec("S-058")
NOW = datetime.now(UTC)


class Plain(Job):
    @staticmethod
    def write_rows(jobs, cursor):
        pass


@pytest.fixture
def keep(committer, record):
    def keep(*bodies):
        records = [record(body) for body in bodies]
        for future in [committer.submit(Plain(records=[r])) for r in records]:
            future.result(10)
        return [r.location for r in records]

    return keep


@pytest.fixture
def crashed(area, record):
    """Writes records without rows, as a process that dies before its commit."""

    def crashed(*bodies):
        writer = SegmentWriter(area)
        records = [record(body, meta=b"envelope of " + body[:10]) for body in bodies]
        writer.append(records)
        writer.sync()
        path = writer.segment.path
        writer.segment.close()
        return path, [r.location for r in records]

    return crashed


def path_of(location):
    forget_all()
    return Segment.objects.get(pk=location.segment_id).path


def test_sound_store_has_nothing_to_report(keep, committer):
    keep(b"1", b"2")
    for _ in range(2):
        report = reconcile(now=NOW)
        assert (report.orphans, report.missing, report.damages) == ([], [], [])
        committer.stop(10)


def test_record_without_row_is_reported_with_its_meta(crashed):
    _, locations = crashed(b"one", b"two")
    report = reconcile(now=NOW)
    assert [o.location for o in report.orphans] == locations
    assert [o.meta for o in report.orphans] == [b"envelope of one", b"envelope of two"]
    assert not Blob.objects.exists()


def test_orphans_can_be_buried(crashed, area):
    path, (location,) = crashed(b"one")
    orphans = reconcile(now=NOW).orphans
    (target,) = bury([o.path for o in orphans])
    assert target == area.directory / LOST_AND_FOUND / path.name
    assert not path.exists()
    assert next(scan(target)).header.blob_id == location.blob_id
    assert list(buried([area])) == [target]
    written = datetime.fromtimestamp(target.stat().st_mtime, UTC)
    assert forget_buried([area], before=written - timedelta(seconds=1)) == 0
    assert forget_buried([area], before=written + timedelta(seconds=1)) == 1
    assert not target.exists()
    assert reconcile(now=NOW).orphans == []


def test_tail_behind_the_last_commit_is_orphaned_and_can_be_buried(keep, committer, record):
    (kept,) = keep(b"kept")
    committer.stop(10)
    Segment.objects.update(sealed_at=None)
    path = path_of(kept)
    orphan = append_to(path, record(b"never committed"))
    report = reconcile(now=NOW)
    assert [o.blob_id for o in report.orphans] == [orphan.blob_id]
    (target,) = bury([path])
    assert [s.header.blob_id for s in scan(target) if isinstance(s, Found)] == [orphan.blob_id]
    assert path.stat().st_size == Segment.objects.get().size_bytes
    assert read_body(kept) == b"kept"


def test_swept_record_in_the_committed_part_is_no_orphan(keep, committer):
    one, two = keep(b"1", b"2")
    committer.stop(10)
    Blob.objects.filter(pk__in=[one.blob_id, two.blob_id]).delete()
    Segment.objects.update(sealed_at=None)
    assert reconcile(now=NOW).orphans == []


def test_segment_that_a_living_process_writes_is_left_alone(area, record):
    writer = SegmentWriter(area)
    writer.append([record()])
    writer.sync()
    report = reconcile(now=NOW + timedelta(days=1))
    assert (report.orphans, report.damages) == ([], [])
    assert writer.segment.path.exists()
    assert bury([writer.segment.path]) == []
    writer.close()


def test_torn_record_is_reported_and_the_sound_ones_found(crashed):
    path, (one, two) = crashed(b"one", b"x" * 1_000)
    os.truncate(path, path.stat().st_size - 500)
    report = reconcile(now=NOW)
    assert [o.blob_id for o in report.orphans] == [one.blob_id]
    assert [(d.path, d.broken.offset) for d in report.damages] == [(path, two.offset)]


def test_rubbish_among_the_segments_is_reported(area):
    (area.directory / "rubbish.seg").write_bytes(b"rubbish")
    name = encode_id(12345)
    (area.directory / f"{name}.seg").write_bytes(b"\xff" * 10_000)
    (area.directory / f"{name}.new").write_bytes(b"")
    (area.directory / "notes.new").write_bytes(b"")
    report = reconcile(now=NOW)
    assert {d.path.name for d in report.damages} == {"rubbish.seg", f"{name}.seg"}
    assert (area.directory / f"{name}.seg").exists()
    assert not (area.directory / f"{name}.new").exists()


def test_row_without_record_is_reported(keep, committer):
    one, two, three = keep(b"1", b"2" * 100, b"3")
    committer.stop(10)
    os.truncate(path_of(one), two.offset + 10)
    assert [m.blob_id for m in reconcile(now=NOW).missing] == [two.blob_id, three.blob_id]
    path_of(one).unlink()
    assert len(reconcile(now=NOW).missing) == 3


def test_missing_area_is_not_fatal(keep, area, committer):
    (one,) = keep(b"1")
    committer.stop(10)
    area.directory.rename(area.directory.with_name("gone"))
    assert [m.blob_id for m in reconcile(now=NOW).missing] == [one.blob_id]


def append_to(path, new):
    _, nonce = decode_segment_header(path.read_bytes())
    head = encode_head(
        mark_of(nonce),
        blob_id=new.blob_id,
        meta=new.meta,
        facts=new.facts,
        body_bytes=new.body.size_bytes,
        digest=new.body.digest,
        body_crc=new.body.crc,
    )
    with path.open("ab") as file:
        file.write(head + new.body.read())
    return new
