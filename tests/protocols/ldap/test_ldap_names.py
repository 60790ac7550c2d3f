"""Distinguished names: RFC 4514's examples, escapes, and domains as names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ldap import names
from protocols.ldap.names import MalformedName, Part

VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_any_value_survives_its_escapes(values):
    text = ",".join(f"cn={names.escape(value)}" for value in values)
    assert names.parse(text) == tuple(Part("cn", value) for value in values)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_malformed(text):
    try:
        names.parse(text)
    except MalformedName:
        return


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("   ", ()),
        ("UID=jsmith,DC=example,DC=net", ("uid=jsmith", "dc=example", "dc=net")),
        ("uid = ann , dc=example", ("uid=ann", "dc=example")),
        (r"CN=James \"Jim\" Smith\, III,DC=example", ('cn=James "Jim" Smith, III', "dc=example")),
        (r"CN=Before\0dAfter", ("cn=Before\rAfter",)),
        (r"cn=Lu\C4\8Di\C4\87", ("cn=Lučić",)),
        ("1.3.6.1.4.1.1466.0=x", ("1.3.6.1.4.1.1466.0=x",)),
        ("0.9.2342.19200300.100.1.1=ann", ("uid=ann",)),
        (r"cn=\ a\ ", ("cn= a ",)),
        ("commonName=a=b", None),
    ],
)
def test_names_are_read_as_the_rfc_writes_them(text, expected):
    if expected is None:
        assert names.parse(text) == (Part("cn", "a=b"),)
    else:
        assert tuple(f"{part.attribute}={part.value}" for part in names.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["cn", "=x", "cn=a,", ",cn=a", r"cn=\zz", "cn=\\", r"cn=\ff", 'cn="a"', "cn=a+sn=b", "cn=a\0",
     "cn=a;dc=b", "c n=a", "cn=" + "a" * 3000, ",".join(["dc=a"] * 200)],
)  # fmt: skip
def test_what_is_no_name_is_refused(text):
    with pytest.raises(MalformedName):
        names.parse(text)


def test_a_domain_has_a_name_and_a_name_may_have_a_domain():
    assert names.of_domain("mail.example.com") == "dc=mail,dc=example,dc=com"
    assert names.to_domain(names.parse("DC=Mail,dc=Example,dc=COM")) == "mail.example.com"
    assert names.to_domain(names.parse("ou=people,dc=example")) is None
    assert names.to_domain(()) is None
