"""Addresses to what is said of the narrowest network that contains them, in memory."""

from __future__ import annotations

import socket
from bisect import insort
from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")

IPV4_BITS, IPV6_BITS = 32, 128


class NetworkTable(Generic[V]):
    """Networks and what is said of them; a table that is empty is false.

    For each length of prefix it has a dict: a look-up costs one probe for each length in use.
    Networks are texts in their normal form, addresses are plain (no zones, no mapped IPv4).
    """

    def __init__(self) -> None:
        self._families: dict[int, dict[int, dict[int, V]]] = {IPV4_BITS: {}, IPV6_BITS: {}}
        # Longest prefix first, as shifts: how many low bits do not count.
        self._shifts: dict[int, list[int]] = {IPV4_BITS: [], IPV6_BITS: []}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, network: str, value: V) -> None:
        """Put in or replace. Raises ValueError for what is no network."""
        bits, shift, number = parse_network(network)
        rows = self._families[bits].get(shift)
        if rows is None:
            rows = self._families[bits][shift] = {}
            insort(self._shifts[bits], shift)
        if number not in rows:
            self._count += 1
        rows[number] = value

    def remove(self, network: str) -> None:
        """Nothing happens if it is not there. Raises ValueError for what is no network."""
        bits, shift, number = parse_network(network)
        rows = self._families[bits].get(shift, {})
        if rows.pop(number, None) is None:
            return
        self._count -= 1
        if not rows:
            del self._families[bits][shift]
            self._shifts[bits].remove(shift)

    def at(self, network: str) -> V | None:
        """What is said of exactly this network."""
        bits, shift, number = parse_network(network)
        return self._families[bits].get(shift, {}).get(number)

    def find(self, address: str) -> V | None:
        """What is said of the narrowest network around the address; None: nothing."""
        return next(self.all_around(address), None)

    def all_around(self, address: str) -> Iterator[V]:
        """The same of every network around it, from the narrowest to the widest."""
        bits = IPV6_BITS if ":" in address else IPV4_BITS
        shifts = self._shifts[bits]
        if not shifts:
            return
        family = self._families[bits]
        number = parse_address(address)
        for shift in shifts:
            value = family[shift].get(number >> shift)
            if value is not None:
                yield value


def parse_address(address: str) -> int:
    """Raises ValueError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except OSError:
        raise ValueError(f"{address!r} is no IP address") from None


def parse_network(network: str) -> tuple[int, int, int]:
    """Bits of the family, low bits that do not count, and the number above them."""
    address, _, length = network.partition("/")
    bits = IPV6_BITS if ":" in address else IPV4_BITS
    prefix = bits
    if length:
        if not (length.isascii() and length.isdigit() and int(length) <= bits):
            raise ValueError(f"{network!r} is no network")
        prefix = int(length)
    shift = bits - prefix
    return bits, shift, parse_address(address) >> shift
