"""Endpoints: which of them are bound (N-003)."""

import pytest

from listeners.sockets import Endpoint, without_covered


@pytest.mark.spec("N-003")
def test_pairs_on_a_port_that_a_wildcard_takes_are_left_out():
    everywhere = Endpoint("0.0.0.0", 25)
    assert without_covered([everywhere, Endpoint("192.0.2.1", 25)]) == {everywhere}
    other_port = Endpoint("192.0.2.1", 26)
    assert without_covered([everywhere, other_port]) == {everywhere, other_port}


@pytest.mark.spec("N-003")
def test_the_ipv6_wildcard_takes_ipv4_too():
    everywhere = Endpoint("::", 25)
    others = [Endpoint("0.0.0.0", 25), Endpoint("192.0.2.1", 25), Endpoint("2001:db8::1", 25)]
    assert without_covered([everywhere, *others]) == {everywhere}


@pytest.mark.spec("N-003")
def test_an_ipv4_wildcard_leaves_ipv6_alone():
    pairs = {Endpoint("0.0.0.0", 25), Endpoint("2001:db8::1", 25)}
    assert without_covered(pairs) == pairs


def test_of_two_purposes_on_one_pair_the_server_port_wins():
    server, submission = Endpoint("192.0.2.1", 25), Endpoint("192.0.2.1", 25, False, "submission")
    assert without_covered([submission, server]) == {server}
