"""What people write into forms and files about subscribers: any text, and what comes back of it."""

from __future__ import annotations

import contextlib
import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from administration import listreload
from domains.errors import Refused
from mailinglists import subscribercsv
from mailinglists.errors import FileRefused
from panel.views.subscribers import subscriber_of

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters='<>"'),
    max_size=20,
).map(lambda text: " ".join(text.split()))
ADDRESSES = st.from_regex(r"\A[a-z]{1,8}@[a-z]{1,8}\.example\Z")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.text())
def test_any_line_is_somebody_or_nobody(line: str) -> None:
    found = subscriber_of(line, "digest")
    assert (found is None) == (not line.strip())
    if found is not None:
        assert found.mode == "digest" and found.address in line and found.name in line


@given(NAMES, ADDRESSES)
def test_a_name_and_an_address_are_read_as_they_are_written(name: str, address: str) -> None:
    for line in (f"{name} <{address}>", f'"{name}" <{address}>', f" <{address}> "):
        found = subscriber_of(line, "standard")
        assert found is not None and found.address == address
        assert found.name in (name, "")


@given(st.binary())
def test_any_file_is_rows_or_refused(content: bytes) -> None:
    try:
        for row in subscribercsv.read(content):
            assert row.mode in ("standard", "digest")
    except FileRefused:
        pass


@given(st.lists(st.tuples(ADDRESSES, NAMES.filter(lambda name: name[:1] not in "'=+-@"))))
def test_a_file_gives_back_what_was_written(people: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("address", "name"), *people])
    found = [(row.address, row.name) for row in subscribercsv.read(out.getvalue().encode())]
    assert found == people


@given(st.dictionaries(st.sampled_from(["local_part", "subscribers", "moderators", "x"]), PLAIN))
def test_any_manifest_is_taken_or_refused(row: dict[str, object]) -> None:
    """By nothing but what reading a domain anew tells of and goes on."""
    rows = row.get("subscribers", [])
    with contextlib.suppress(Refused, ValueError, TypeError, KeyError, AttributeError):
        list(listreload.subscribers_in({"subscribers": rows}))
