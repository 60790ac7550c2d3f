"""Rules for values of a domain that go beyond one field of one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domains.errors import Problem, ValuesRefused
from domains.localparts import LocalPartMalformed, read_local_part
from domains.models import Domain, DomainTechnical, SourceAddress
from domains.values import replace

# `name` changes by renaming only (D-014), `folder_path` by moving.
OPTIONS = ("listen_ip", "list_command_address", "is_disabled")


def set_options(domain: Domain, options: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Set options on the row and say what really changed. Raises ValuesRefused."""
    options = dict(options)
    if "list_command_address" in options:
        try:
            options["list_command_address"] = read_local_part(options["list_command_address"])
        except LocalPartMalformed as error:
            raise ValuesRefused((Problem("list_command_address", error.reason),)) from None
    return replace(domain, options, fields=OPTIONS)


def require_sources(row: DomainTechnical) -> None:
    """Raises ValuesRefused if mail is to leave by a chosen address and none is."""
    problems = tuple(
        Problem(f"chosen_source_{version}", "choose the address from which mail is to leave")
        for version in ("ipv4", "ipv6")
        if getattr(row, f"source_address_{version}") == SourceAddress.CHOSEN
        and not getattr(row, f"chosen_source_{version}")
    )
    if problems:
        raise ValuesRefused(problems)
