"""Getting room back without losing what lives, wherever it is interrupted."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from blobs import references, sweep
from blobs.committer import Committer, Job
from blobs.errors import BlobGone
from blobs.ids import MAX_ID
from blobs.models import Area, Blob, Segment
from blobs.moving import Mover
from blobs.reconcile import reconcile
from blobs.rows import insert_blobs
from blobs.store import ensure_area, locate, read_body, read_facts, read_meta
from blobs.sweep import Swept
from tests.races import beside

HOUR = timedelta(hours=1)


class Plain(Job):
    @staticmethod
    def write_rows(jobs, cursor):
        pass


@pytest.fixture
def keep(committer, record):
    """Writes bodies with their rows; gives their ids."""

    def keep(*bodies, **others):
        records = [record(body, **others) for body in bodies]
        for future in [committer.submit(Plain(records=[r])) for r in records]:
            future.result(10)
        return [r.blob_id for r in records]

    return keep


def drop(*blob_ids):
    with transaction.atomic(), connection.cursor() as cursor:
        references.change(cursor, dict.fromkeys(blob_ids, -1))


def sweep_at(later):
    return sweep.sweep(now=datetime.now(UTC) + later)


def body_of(blob_id):
    return read_body(locate([blob_id])[blob_id])


def live_bytes_are_right():
    return all(
        segment.live_bytes == sum(segment.blobs.values_list("length", flat=True))
        for segment in Segment.objects.all()
    )


def test_references_go_up_and_down(keep):
    one, two = keep(b"1", b"2")
    with transaction.atomic(), connection.cursor() as cursor:
        references.change(cursor, {one: 2, two: 0})
        references.change(cursor, {one: -1, two: -1})
        references.change(cursor, {})
    assert dict(Blob.objects.values_list("id", "references")) == {one: 2, two: 0}


def test_references_never_fall_below_zero(keep):
    (one,) = keep(b"1")
    with pytest.raises(IntegrityError):
        drop(one)
        drop(one)
    assert Blob.objects.get().references == 0


def test_change_of_a_blob_that_is_gone_names_it(keep):
    (one,) = keep(b"1")
    with pytest.raises(BlobGone) as gone:
        drop(one, 42)
    assert gone.value.blob_ids == {42}
    assert Blob.objects.get().references == 1


def test_unreferenced_blob_goes_after_its_grace(keep):
    one, two = keep(b"1", b"2")
    drop(one)
    assert sweep_at(timedelta(minutes=50)).blobs == 0
    assert sweep_at(2 * HOUR).blobs == 1
    assert list(Blob.objects.values_list("id", flat=True)) == [two]
    assert live_bytes_are_right()


def test_many_unreferenced_blobs_go_in_short_transactions(keep, monkeypatch):
    monkeypatch.setattr(sweep, "_BATCH", 7)
    blob_ids = keep(*(b"x" * n for n in range(30)))
    drop(*blob_ids[:20])
    assert sweep_at(2 * HOUR).blobs == 20
    assert live_bytes_are_right()


def test_segment_being_written_stays_though_empty(keep, committer):
    drop(*keep(b"1"))
    sweep_at(2 * HOUR)
    sweep_at(4 * HOUR)
    segment = Segment.objects.get()
    assert (segment.live_bytes, segment.sealed_at) == (0, None)
    assert segment.path.exists()


def test_empty_sealed_segment_is_removed_after_the_readers_grace(keep, committer):
    (one,) = keep(b"still readable")
    location = locate([one])[one]
    committer.stop(10)
    drop(one)
    sweep_at(2 * HOUR)
    segment = Segment.objects.get()
    assert read_body(location) == b"still readable"
    assert sweep_at(3 * HOUR).segments == 1
    assert not segment.path.exists()
    assert not Segment.objects.exists()
    with pytest.raises(BlobGone):
        read_body(location)


def test_crash_between_unlink_and_row_is_finished_by_the_next_sweep(keep, committer):
    drop(*keep(b"1"))
    committer.stop(10)
    sweep_at(2 * HOUR)
    Segment.objects.get().path.unlink()
    assert reconcile(now=datetime.now(UTC)).missing == []
    sweep_at(3 * HOUR)
    assert not Segment.objects.exists()


def test_segment_of_a_process_that_died_is_sealed(keep, committer):
    keep(b"1")
    assert sweep.seal_abandoned(now=datetime.now(UTC)) == 0
    committer.stop(10)
    Segment.objects.update(sealed_at=None)
    assert sweep.seal_abandoned(now=datetime.now(UTC)) == 1


def test_wrong_count_of_live_bytes_costs_no_blob(keep, committer):
    (one,) = keep(b"1")
    committer.stop(10)
    Segment.objects.update(live_bytes=0)
    sweep_at(HOUR)
    sweep_at(2 * HOUR)
    assert body_of(one) == b"1"
    assert live_bytes_are_right()


def test_mostly_dead_segment_is_compacted(keep, committer):
    blob_ids = keep(*(bytes([n]) * 10_000 for n in range(10)), meta=b"m", facts=b"f")
    committer.stop(10)
    drop(*blob_ids[2:])
    old = locate(blob_ids[:1])[blob_ids[0]]
    swept = sweep_at(2 * HOUR)
    assert (swept.blobs, swept.moved_bytes) == (8, 2 * old.length)
    new = locate(blob_ids[:1])[blob_ids[0]]
    assert new.segment_id != old.segment_id
    assert read_body(old) == read_body(new) == bytes(10_000)
    assert (read_meta(new), read_facts(new)) == (b"m", b"f")
    assert live_bytes_are_right()
    assert sweep_at(3 * HOUR).segments == 1
    assert [body_of(n) for n in blob_ids[:2]] == [bytes(10_000), b"\1" * 10_000]
    assert read_body(old) == bytes(10_000), "a location from before follows the blob"


def test_many_short_segments_are_joined(area, record, monkeypatch):
    monkeypatch.setattr(sweep, "MANY_SMALL", 3)
    blob_ids = []
    from_crash = [Mover(area) for _ in range(3)]
    for mover in from_crash:
        records = [record(b"x" * 100)]
        mover._writer.append(records)
        mover._writer.sync()
        with connection.cursor() as cursor:
            insert_blobs(cursor, area, mover._writer.segment, records)
        mover._writer.segment.is_recorded = True
        mover.close()
        blob_ids += [r.blob_id for r in records]
    sweep.compact(Swept())
    assert len({at.segment_id for at in locate(blob_ids).values()}) == 1
    assert live_bytes_are_right()


def test_blobs_move_to_the_area_of_a_domain(keep, area, tmp_path):
    large = b"L" * 2_000_000
    blob_ids = keep(b"small", large)
    home = ensure_area("example.com", path=str(tmp_path / "home"), kind=Area.Kind.DOMAIN)
    also = []
    with Mover(home) as mover:
        moved = mover.move([*blob_ids, 42], also=lambda cursor, moved: also.extend(moved))
        assert (moved.blobs, moved.damaged) == (2, 0)
        assert mover.move(blob_ids).blobs == 2
    assert sorted(also) == sorted(blob_ids)
    assert {b.segment.area_id for b in Blob.objects.select_related("segment")} == {home.pk}
    assert [body_of(n) for n in blob_ids] == [b"small", large]
    assert live_bytes_are_right()
    assert not Segment.objects.filter(area=home, sealed_at=None).exists()


def test_moving_and_sweeping_wait_for_each_other_in_one_order(keep, area, record, tmp_path):
    first = keep(b"1")
    home = ensure_area("example.com", path=str(tmp_path / "home"), kind=Area.Kind.DOMAIN)
    with Mover(home) as mover:
        mover.move(first)
        own = Segment.objects.get(area=home)
        later = Committer(area)
        later.commit_now(Plain(records=[second := record(b"2")]))
        newer = Segment.objects.exclude(area=home).order_by("id").last()

        def lock_as_the_sweep_does(pause):
            Segment.objects.select_for_update().get(pk=own.pk)
            pause()
            Segment.objects.select_for_update().get(pk=newer.pk)

        with beside(lock_as_the_sweep_does):
            assert mover.move([second.blob_id]).blobs == 1
        later.stop(timeout=20)
    assert own.pk < newer.pk
    assert live_bytes_are_right()


def test_damaged_blob_is_not_moved(keep, area, tmp_path):
    bad, good = keep(b"x" * 100, b"y")
    location = locate([bad])[bad]
    with Segment.objects.get().path.open("r+b") as file:
        file.seek(location.body_offset)
        file.write(b"?")
    home = ensure_area("example.com", path=str(tmp_path / "home"), kind=Area.Kind.DOMAIN)
    with Mover(home) as mover:
        moved = mover.move([bad, good])
    assert (moved.blobs, moved.damaged) == (1, 1)
    assert locate([bad])[bad] == location


def test_blob_swept_while_it_is_copied_stays_away(keep, area, tmp_path, monkeypatch):
    one, two = keep(b"1", b"2")
    drop(one)
    home = ensure_area("example.com", path=str(tmp_path / "home"), kind=Area.Kind.DOMAIN)
    mover = Mover(home)
    real = mover._repoint

    def sweep_first(*arguments):
        sweep.delete_unreferenced(before=MAX_ID, swept=Swept())
        real(*arguments)

    monkeypatch.setattr(mover, "_repoint", sweep_first)
    assert mover.move([one, two]).blobs == 1
    mover.close()
    assert list(Blob.objects.values_list("id", flat=True)) == [two]
    assert live_bytes_are_right()


@pytest.mark.parametrize("step", ["before the rows", "after the rows"])
def test_crash_during_a_move_loses_nothing(keep, committer, tmp_path, step):
    (one,) = keep(b"precious")
    committer.stop(10)
    home = ensure_area("example.com", path=str(tmp_path / "home"), kind=Area.Kind.DOMAIN)
    mover = Mover(home)
    if step == "before the rows":
        mover._repoint = lambda *_: None
    mover.move([one])
    mover._writer.segment.close()  # as the kernel does for a process that dies
    report = reconcile(now=datetime.now(UTC) + 2 * HOUR)
    assert (report.orphans, report.missing, report.damages) == ([], [], [])
    assert body_of(one) == b"precious"
    assert len(list(home.directory.glob("*.seg"))) == (step == "after the rows")
    sweep_at(2 * HOUR)
    sweep_at(3 * HOUR)
    assert body_of(one) == b"precious"
    assert live_bytes_are_right()
