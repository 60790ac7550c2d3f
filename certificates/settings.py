"""How certificates are ordered: read from memory, changed by the operator."""

from __future__ import annotations

from urllib.parse import urlsplit

from certificates.models import AcmeSettings
from domains.errors import Problem, ValuesRefused
from domains.singlerow import SingleRow
from protocols.address import Address, MalformedAddress


def check(row: AcmeSettings) -> None:
    problems = []
    if row.is_enabled and not row.agrees_to_terms:
        problems.append(Problem("agrees_to_terms", "must be true before anything is ordered"))
    if not is_directory(row.directory_url):
        problems.append(Problem("directory_url", "must be an https address"))
    if row.contact and not _is_address(row.contact):
        problems.append(Problem("contact", "must be a mail address"))
    if problems:
        raise ValuesRefused(tuple(problems))


def is_directory(url: str) -> bool:
    """RFC 8555 §6.1: ACME is spoken over HTTPS only."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and url.isascii()
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        return Address.parse(text).is_ascii
    except MalformedAddress:
        return False


ACME = SingleRow(AcmeSettings, "acme", check)
