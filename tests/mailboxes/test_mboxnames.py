"""File names for folders whose names are anybody's."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes.mboxnames import SUFFIX, names_for

HOSTILE = (
    "../../etc/passwd", "/etc", "..", ".", "", " ", "a\\..\\b", "C:\\x", "CON", "nul.txt", "-rf",
    "~root", "a\0b", "a\r\nb", "x" * 900, "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "INBOX", "inbox",
    "folders.json", "a/b", "a.b", "Ärger/Übung",
)  # fmt: skip


def is_harmless(name: str) -> bool:
    return (
        PurePosixPath(name).name == PureWindowsPath(name).name == name
        and name.isprintable()
        and name[0] not in ".-~ "
        and name.endswith(SUFFIX)
        and len(name.encode()) < 200
    )


def test_plain_names_stay_readable() -> None:
    found = names_for(["INBOX", "Archive/2024", "Ärger/Übung"])
    assert list(found.values()) == ["INBOX.mbox", "Archive.2024.mbox", "Ärger.Übung.mbox"]


def test_hostile_names_lead_nowhere() -> None:
    found = names_for(HOSTILE)
    assert [name for name in found.values() if not is_harmless(name)] == []
    assert found["CON"] == "_CON.mbox" and found["nul.txt"] == "_nul.txt.mbox"
    assert found["../../etc/passwd"] == "_......etc.passwd.mbox"


@settings(max_examples=50)
@given(st.lists(st.text(max_size=300), unique=True, max_size=6))
def test_whatever_the_names_are_each_has_a_file_of_its_own(folders: list[str]) -> None:
    found = names_for(folders)
    assert list(found) == folders
    assert all(map(is_harmless, found.values()))
    assert len({name.casefold() for name in found.values()}) == len(folders)
