"""Lines on their way into the files of the day."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from logbook import lines, writer
from logbook.kinds import Kind, Level
from logbook.reading import NoLog, Query, search
from logbook.writer import Logbook


@pytest.fixture
def book(tmp_path):
    return Logbook(tmp_path)


def today():
    return datetime.now(UTC).date()


def texts(folder, kind, **query):
    return [hit.line.text for hit in search(folder, kind, today(), Query(**query)).hits]


@pytest.mark.spec("M-081", "M-089")
def test_lines_reach_the_file_of_their_log_and_day_by_themselves(book, tmp_path):
    book.note(Kind.SMTP, "MAIL FROM:<a@one.example>: 250 OK", session=255, domains=("one.example",))
    deadline = time.monotonic() + 30
    path = tmp_path / "smtp" / f"{today().isoformat()}.log"
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert path.stat().st_mode & 0o777 == 0o600
    assert texts(tmp_path, Kind.SMTP) == ["MAIL FROM:<a@one.example>: 250 OK"]
    with pytest.raises(NoLog):
        texts(tmp_path, Kind.IMAP)


@pytest.mark.spec("M-088")
def test_levels_say_what_is_kept(book, tmp_path):
    book.levels[Kind.POP] = Level.OFF
    book.levels[Kind.IMAP] = Level.DETAILED
    for kind in (Kind.POP, Kind.IMAP, Kind.SMTP):
        book.note(kind, "plain")
        book.note(kind, "detail", level=Level.DETAILED)
    book.flush()
    assert texts(tmp_path, Kind.IMAP) == ["plain", "detail"]
    assert texts(tmp_path, Kind.SMTP) == ["plain"]
    with pytest.raises(NoLog):
        texts(tmp_path, Kind.POP)


@pytest.mark.spec("M-089")
def test_only_details_are_dropped_and_they_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MOST_DETAILED", 100)
    monkeypatch.setattr(writer, "MOST_LINES", 300)
    book = Logbook(tmp_path)
    book.levels[Kind.SMTP] = Level.DETAILED
    monkeypatch.setattr(book, "_wake", lambda: None)
    for number in range(1000):
        book.note(Kind.SMTP, f"detail {number}", level=Level.DETAILED)
        book.note(Kind.ADMIN, f"audit {number}")
        book.note(Kind.ERRORS, f"error {number}")
    book.flush()
    kept = len(texts(tmp_path, Kind.SMTP))
    assert kept < 1000
    assert book.dropped[Kind.SMTP] == 1000 - kept
    assert len(texts(tmp_path, Kind.ADMIN)) == len(texts(tmp_path, Kind.ERRORS)) == 1000


@pytest.mark.spec("M-089")
def test_lines_that_the_disk_refuses_are_written_when_it_takes_them_again(book, tmp_path):
    (tmp_path / "admin").write_text("a file where the folder should be")
    book.note(Kind.ADMIN, "first")
    book.flush()
    (tmp_path / "admin").unlink()
    book.note(Kind.ADMIN, "second")
    book.flush()
    assert texts(tmp_path, Kind.ADMIN) == ["first", "second"]


def test_hostile_words_stay_in_their_line(book, tmp_path):
    book.note(Kind.SMTP, 'x\n{"time":"2026-01-01","text":"forged"}\r\n\x1b[31m\ud800"')
    book.flush()
    (text,) = texts(tmp_path, Kind.SMTP)
    assert "forged" in text


def test_lines_of_several_threads_and_processes_do_not_mix(tmp_path):
    code = (
        "import sys; from pathlib import Path; from logbook.writer import BOOK;"
        "from logbook.kinds import Kind; BOOK.open(Path(sys.argv[1]));"
        "[BOOK.note(Kind.SMTP, f'{sys.argv[2]} {n} ' + 'x' * 500) for n in range(500)]"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abc"
    ]
    assert [child.wait(30) for child in children] == [0, 0, 0]
    book = Logbook(tmp_path)
    threads = [
        threading.Thread(target=lambda: [book.note(Kind.SMTP, "thread") for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book.flush()
    assert len(texts(tmp_path, Kind.SMTP, words=("thread",))) == 2000
    for name in "abc":
        assert len(texts(tmp_path, Kind.SMTP, words=(f"{name} ", "xxx"))) == 500


def test_noting_costs_microseconds(book):
    book.levels[Kind.SMTP] = Level.OFF
    began = time.process_time()
    for _ in range(100_000):
        book.note(Kind.SMTP, "x", session=1)
    off = (time.process_time() - began) * 10
    assert off < 5, f"{off:.2f} microseconds"


@pytest.mark.parametrize(
    ("at", "time"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_790_000_000.5, "2026-09-21T14:13:20.500Z"),
        (1_790_000_000.25, "2026-09-21T14:13:20.250Z"),
        (1_790_000_001.0, "2026-09-21T14:13:21.000Z"),
    ],
)
def test_a_line_says_its_time_to_the_millisecond(at, time):
    assert lines.decode(lines.encode(at, "text", 0, ())).time == time
