"""The name servers that an operator has set (G-025)."""

from __future__ import annotations

from operations.services import RESOLVER


def name_servers(*, cached_only: bool = False) -> list[str]:
    """`address` or `address:port` each; none: those of the installation. Raises Cold."""
    row = RESOLVER.read(cached_only=cached_only)
    return [each for each in (row.primary, row.secondary) if each]
