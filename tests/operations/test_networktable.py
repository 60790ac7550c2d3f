"""Longest-prefix look-up against what the standard library says."""

import ipaddress
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.addresses import normal_network, party
from operations.errors import NetworkMalformed
from operations.networktable import NetworkTable, parse_network

ADDRESSES = st.ip_addresses()


@st.composite
def networks(draw):
    address = draw(ADDRESSES)
    length = draw(st.integers(0, address.max_prefixlen))
    return ipaddress.ip_network((address, length), strict=False)


@settings(max_examples=200)
@given(st.lists(networks(), max_size=20), ADDRESSES, st.data())
def test_the_narrowest_network_around_an_address_is_found(listed, address, data):
    if listed and data.draw(st.booleans()):
        chosen = data.draw(st.sampled_from(listed))
        address = chosen[data.draw(st.integers(0, min(chosen.num_addresses - 1, 1000)))]
    table = NetworkTable()
    for network in listed:
        table.add(str(network), network)
    around = {n for n in listed if n.version == address.version and address in n}
    expected = sorted(around, key=lambda network: -network.prefixlen)
    assert list(table.all_around(str(address))) == expected
    assert table.find(str(address)) == (expected[0] if expected else None)
    for network in listed:
        table.remove(str(network))
    assert len(table) == 0
    assert table.find(str(address)) is None


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_text_is_a_network_or_refused(text):
    try:
        network = normal_network(text)
    except NetworkMalformed:
        return
    parse_network(network)
    assert normal_network(network) == network


@pytest.mark.parametrize(
    ("address", "whom"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
    ],
)
def test_an_ipv6_client_stands_for_his_64(address, whom):
    assert party(address) == whom


@pytest.mark.spec("M-070")
def test_a_look_up_among_100_000_networks_takes_microseconds():
    numbers = random.Random(1)
    table = NetworkTable()
    for _ in range(100_000):
        length = numbers.choice([32] * 7 + [24, 24, 23, 22, 20, 16])
        number = numbers.getrandbits(32) >> (32 - length) << (32 - length)
        table.add(f"{ipaddress.IPv4Address(number)}/{length}", 1)
    asked = [str(ipaddress.IPv4Address(numbers.getrandbits(32))) for _ in range(20_000)]
    began = time.process_time()
    for address in asked:
        table.find(address)
    # About one microsecond; the rest is for slow machines.
    assert (time.process_time() - began) / len(asked) < 20e-6
