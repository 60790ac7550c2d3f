"""Searching the log of a day and handing it out."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logbook import keeping, lines, reading
from logbook.kinds import Kind
from logbook.lines import Line, LineMalformed
from logbook.reading import NoLog, Query, search, zipped

DAY = date(2026, 3, 4)
NOON = 1772625600.0


def write(folder, *entries, kind=Kind.SMTP, day=DAY):
    path = folder / kind / f"{day.isoformat()}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        for at, (session, text, *domains) in enumerate(entries):
            out.write(lines.encode(NOON + at, text, session, tuple(domains)))
    return path


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path,
        (1, "connected from 192.0.2.1", "one.example"),
        (2, "connected from 192.0.2.2"),
        (1, "MAIL FROM:<Anna@One.example>: 250", "one.example"),
        (2, "MAIL FROM:<x@two.example>: 250", "two.example"),
        (1, "RCPT TO:<bob@far.test>: 550 5.1.1 No such user", "one.example"),
    )
    return tmp_path


def shown(found):
    return [hit.line.text.split(":")[0] for hit in found.hits]


@pytest.mark.spec("M-083")
def test_all_words_must_occur_in_any_case(folder):
    assert shown(search(folder, Kind.SMTP, DAY, Query(("mail", "ANNA@one")))) == ["MAIL FROM"]
    assert shown(search(folder, Kind.SMTP, DAY, Query(("mail", "bob")))) == []
    assert len(search(folder, Kind.SMTP, DAY, Query((".*",))).hits) == 0
    assert len(search(folder, Kind.SMTP, DAY, Query()).hits) == 5


@pytest.mark.spec("M-084")
def test_related_traffic_is_the_whole_session_with_its_hits_marked(folder):
    found = search(folder, Kind.SMTP, DAY, Query(("no such user",), has_related=True))
    assert [(hit.line.text[:4], hit.is_hit) for hit in found.hits] == [
        ("conn", False), ("MAIL", False), ("RCPT", True),
    ]  # fmt: skip


@pytest.mark.spec("M-080")
def test_administrators_of_a_domain_see_its_lines_only(folder):
    mine = frozenset({"two.example"})
    assert shown(search(folder, Kind.SMTP, DAY, Query((), domains=mine))) == ["MAIL FROM"]
    related = Query(("250",), has_related=True, domains=mine)
    assert len(search(folder, Kind.SMTP, DAY, related).hits) == 1
    assert b"Anna" not in unzip(zipped(folder, Kind.SMTP, DAY, domains=mine))


@pytest.mark.spec("M-085")
def test_the_newest_megabyte_is_shown_cut_at_a_line(tmp_path):
    write(tmp_path, *[(0, f"{number} " + "x" * 1000) for number in range(3000)])
    found = search(tmp_path, Kind.SMTP, DAY, Query())
    text = found.text().encode()
    assert found.is_cut
    assert 1_040_000 < len(text) <= 1_048_576
    assert " - 2999 xxx" in found.hits[-1].line.shown()
    assert text.startswith(b"2026-03-04T")


@pytest.mark.spec("M-083")
def test_a_search_ends_when_its_time_is_over(tmp_path):
    write(tmp_path, *[(0, f"line {number}") for number in range(5000)])
    found = search(tmp_path, Kind.SMTP, DAY, Query(), seconds=0)
    assert found.is_late
    assert len(found.hits) < 5000


@pytest.mark.spec("M-081")
def test_a_day_without_log_is_told_as_such(folder):
    with pytest.raises(NoLog):
        search(folder, Kind.SMTP, DAY + timedelta(days=1), Query())
    with pytest.raises(NoLog):
        zipped(folder, Kind.IMAP, DAY)


def unzip(pieces):
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        return archive.read(archive.namelist()[0])


@pytest.mark.spec("M-086")
def test_the_whole_log_is_handed_out_as_zip_in_pieces(tmp_path):
    import random

    noise = random.Random(1)
    write(tmp_path, *[(7, f"{n} {noise.randbytes(300).hex()}") for n in range(3000)])
    pieces = list(zipped(tmp_path, Kind.SMTP, DAY))
    assert len(pieces) > 3
    text = unzip(pieces).decode().splitlines()
    assert len(text) == 3000
    assert text[0].startswith("2026-03-04T12:00:00.000Z 7 0 ")


@pytest.mark.spec("M-088")
def test_old_logs_are_compressed_still_read_and_removed_in_time(folder):
    write(folder, (0, "yesterday's"), day=DAY + timedelta(days=1))
    today = DAY + timedelta(days=2)
    assert keeping.keep(folder, today=today, keep_days=30, compress=True) == (1, 0)
    assert (folder / "smtp" / "2026-03-04.log.gz").exists()
    assert len(search(folder, Kind.SMTP, DAY, Query()).hits) == 5
    assert reading.days(folder, Kind.SMTP) == [DAY + timedelta(days=1), DAY]
    later = DAY + timedelta(days=31)
    assert keeping.keep(folder, today=later, keep_days=30, compress=True) == (1, 1)
    assert keeping.keep(folder, today=date(2036, 1, 1), keep_days=None, compress=True) == (0, 0)
    assert reading.days(folder, Kind.SMTP) == [DAY + timedelta(days=1)]


@given(st.text(), st.integers(0, 2**63), st.lists(st.text(), max_size=3))
def test_a_line_is_read_as_it_was_written(text, session, domains):
    encoded = lines.encode(NOON, text, session, tuple(domains))
    assert encoded.count(b"\n") == 1
    line = lines.decode(encoded)
    assert line.text == text[: lines.LONGEST_TEXT]
    assert line.domains == tuple(domains)


@given(st.binary())
def test_any_bytes_are_a_line_or_malformed(octets):
    with contextlib.suppress(LineMalformed):
        assert isinstance(lines.decode(octets), Line)
