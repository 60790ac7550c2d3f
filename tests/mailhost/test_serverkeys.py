"""The file of server keys: what it may say, and that processes follow it."""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path

import pytest
from django.conf import LazySettings
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mailhost.serverkeys import Kept, KeyFile, KeyFileBroken, ServerKeys

key = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)
kept = st.builds(
    Kept, st.sampled_from(("recovery codes", "index")), st.binary(max_size=32), st.dates()
)
files = st.builds(
    KeyFile,
    current=key,
    following=st.just("") | key,
    former=st.lists(key, max_size=3).map(tuple),
    kept=st.lists(kept, max_size=3).map(tuple),
)


@examples(max_examples=200)
@given(files)
def test_the_file_says_what_was_written(file: KeyFile) -> None:
    assert KeyFile.parse(file.encode()) == file
    assert set(file.others) | {file.current} == set(file.by_age)


@examples(max_examples=200)
@given(st.text() | st.lists(st.sampled_from(("a", "next b", "former", "kept x", "")), max_size=5)
       .map("\n".join))  # fmt: skip
@example("a\nkept 2026-01-01 zz p")
@example("a\nkept 2026-13-01 00 p")
@example("a\nnext b\nnext c")
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    with contextlib.suppress(KeyFileBroken):
        KeyFile.parse(text)


def test_no_error_and_no_picture_of_it_tells_a_key() -> None:
    with pytest.raises(KeyFileBroken) as caught:
        KeyFile.parse("first\nsecret-words\n")
    assert "secret" not in str(caught.value)
    file = KeyFile("secret-1", "secret-2", ("secret-3",), (Kept("p", b"secret", date.today()),))
    assert "secret" not in repr(file)


def test_a_file_of_one_line_is_a_key_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "server.key"
    made = ServerKeys(path)
    assert path.read_text() == f"{made.file.current}\n" and len(made.file.current) >= 60
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert ServerKeys(path).file == made.file


def test_a_process_takes_in_what_another_one_wrote(tmp_path: Path, settings: LazySettings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x", []
    path = tmp_path / "keys" / "server.key"
    here, there = ServerKeys(path), ServerKeys(path)
    fresh = KeyFile("fresh", "upcoming", (here.file.current,))
    there.write(fresh)
    here.follow()
    assert here.file == fresh and settings.SECRET_KEY == "fresh"
    assert ["upcoming", *fresh.former] == settings.SECRET_KEY_FALLBACKS
    assert path.stat().st_mode & 0o777 == 0o600 and len(list(path.parent.iterdir())) == 1
    # A file that cannot be read changes nothing that is known.
    path.write_text("fresh\nnonsense\n")
    here.follow()
    path.unlink()
    here.follow()
    assert here.file == fresh and settings.SECRET_KEY == "fresh"
