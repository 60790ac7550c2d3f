"""Which addresses belong to the public Internet, however they are written."""

from __future__ import annotations

import pytest

from operations.addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "192.0.2.1", "2001:db8::1", "::127.0.0.1",
    ],
)  # fmt: skip
def test_an_address_of_no_public_network_is_private(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_other_addresses_are_public(address):
    assert is_public(address)
