"""What proxies write at the beginning of a connection, in either version of the PROXY protocol."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from protocols import proxy

# Client and server, each by address; then their ports.
Ends = tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address, int, int]


def line(ends: Ends) -> bytes:
    client, server, client_port, server_port = ends
    return f"PROXY TCP{client.version} {client} {server} {client_port} {server_port}\r\n".encode()


def binary(ends: Ends, further: bytes = b"", command: int = 1) -> bytes:
    client, server, client_port, server_port = ends
    told = client.packed + server.packed
    told += client_port.to_bytes(2, "big") + server_port.to_bytes(2, "big") + further
    family = 0x11 if client.version == 4 else 0x21
    head = bytes([0x20 | command, family]) + len(told).to_bytes(2, "big")
    return proxy.SIGNATURE + head + told
