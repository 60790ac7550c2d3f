from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.message import addresses
from protocols.message.addresses import ListedAddress

END = (None, None, None, None)


@pytest.mark.parametrize(
    ("value", "listed"),
    [
        (b"a@b.org", [(None, None, b"a", b"b.org")]),
        (b'"A, \\"B\\"" <a@b>, c@d', [(b'A, "B"', None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b"John Q. Public <j@p>", [(b"John Q. Public", None, b"j", b"p")]),
        (b"a@b (Ada (the first) L)", [(b"Ada (the first) L", None, b"a", b"b")]),
        (b"<@r,@s:a@b>", [(None, b"@r,@s", b"a", b"b")]),
        (b"Us: a@b, C <c@d>;", [(None, None, b"Us", None), (None, None, b"a", b"b"),
                                (b"C", None, b"c", b"d"), END]),
        (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), END]),
        (b'"two words"@x', [(None, None, b"two words", b"x")]),
        (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
        (b"a@[IPv6:::1]", [(None, None, b"a", b"[IPv6:::1]")]),
        (b"Name <a@b", [(b"Name", None, b"a", b"b")]),
        (b"alice", [(None, None, b"alice", b"")]),
        (b"<>", []),
        (b",, a@b ,,", [(None, None, b"a", b"b")]),
        (b"A\r\n B <a@b>,\r\n\tc@d", [(b"A B", None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b"", []),
    ],
)  # fmt: skip
def test_address_lists_as_they_come_in_life(value, listed):
    assert addresses.parse(value) == [ListedAddress(*entry) for entry in listed]


def test_names_and_addresses_are_read_as_text():
    entry = addresses.mailboxes(b"=?utf-8?q?J=C3=B6rg?= <j@example.org>")[0]
    assert (entry.display_name, entry.address) == ("Jörg", "j@example.org")


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.text('a"\\(),:;<>@[] \r\n.', max_size=80)))
def test_any_bytes_are_read_without_an_error(value):
    octets = value if isinstance(value, bytes) else value.encode()
    for entry in addresses.parse(octets):
        assert (entry.display_name, entry.address) is not None


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.text(max_size=30), st.sampled_from(["a@b.org", "x.y+z@example.net"])),
        min_size=1,
        max_size=4,
    )
)
def test_a_written_list_is_read_back(entries):
    read = addresses.parse(b", ".join(addresses.format_address(*entry[:2]) for entry in entries))
    assert [entry.address for entry in read] == [address for _, address in entries]
    for entry, (name, _) in zip(read, entries, strict=True):
        printable = "".join(c if c.isprintable() else " " for c in name)
        assert entry.display_name == " ".join(printable.split())


def test_a_hundred_thousand_brackets_take_no_time():
    for unit in (b"(", b"<", b'"', b"[", b"a ", b"a:", b"@,", b"\\", b"<@a,"):
        addresses.parse(unit * 100_000)
