"""Reports on TLS: who wants them, and what stands in them. RFC 8460."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import unquote, urlsplit

from protocols import textrecords
from protocols.address import Address, MalformedAddress

VERSION = "v=TLSRPTv1"
MOST_URIS = 5
LONGEST_URI = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """So many sessions of one kind; `problem` empty: all was well."""

    policy_type: str
    policy: tuple[str, ...]
    host: str
    host_address: str
    problem: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Report:
    """On one day, from midnight to midnight UTC, to one domain."""

    day: date
    domain: str
    organization: str
    contact: str
    ended: tuple[Ended, ...]

    @property
    def report_id(self) -> str:
        """The same each time: a report that comes twice is known for one."""
        return f"{self.day:%Y%m%d}.{self.domain}@{self.organization}"

    @property
    def file_name(self) -> str:
        """RFC 8460 §5.1."""
        return f"{self.organization}!{self.domain}!{self.day:%Y%m%d}!{self.day:%Y%m%d}.json.gz"

    def encode(self) -> bytes:
        """JSON, compressed; equal reports have equal bytes."""
        return gzip.compress(json.dumps(self.as_json(), indent=1).encode(), mtime=0)

    def as_json(self) -> dict[str, Any]:
        policies: dict[tuple[str, tuple[str, ...]], list[Ended]] = {}
        for each in self.ended:
            policies.setdefault((each.policy_type, each.policy), []).append(each)
        return {
            "organization-name": self.organization,
            "date-range": {
                "start-datetime": f"{self.day}T00:00:00Z",
                "end-datetime": f"{self.day}T23:59:59Z",
            },
            "contact-info": self.contact,
            "report-id": self.report_id,
            "policies": [
                _policy(self.domain, kind, lines, ended)
                for (kind, lines), ended in policies.items()
            ],
        }


def _policy(domain: str, kind: str, lines: Sequence[str], ended: Sequence[Ended]) -> dict[str, Any]:
    about: dict[str, Any] = {"policy-type": kind, "policy-domain": domain}
    if lines:
        about["policy-string"] = list(lines)
    hosts = [line.partition(":")[2].strip() for line in lines if line.startswith("mx:")]
    if hosts:
        about["mx-host"] = hosts
    failed = [each for each in ended if each.problem]
    found: dict[str, Any] = {
        "policy": about,
        "summary": {
            "total-successful-session-count": sum(
                each.sessions for each in ended if not each.problem
            ),
            "total-failure-session-count": sum(each.sessions for each in failed),
        },
    }
    if failed:
        found["failure-details"] = [
            {
                "result-type": each.problem,
                "receiving-mx-hostname": each.host,
                "receiving-ip": each.host_address,
                "failed-session-count": each.sessions,
            }
            for each in failed
        ]
    return found


def wanted_by(texts: Iterable[str]) -> tuple[str, ...]:
    """The URIs in the one record among the TXT records; empty: nobody asks. RFC 8460 §3."""
    records = [text for text in texts if textrecords.has_version(text, VERSION)]
    if len(records) != 1:
        return ()
    uris = (uri.strip() for uri in textrecords.tags(records[0]).get("rua", "").split(","))
    known = (uri for uri in uris if len(uri) <= LONGEST_URI and (mail_address(uri) or is_web(uri)))
    return tuple(dict.fromkeys(known))[:MOST_URIS]


def mail_address(uri: str) -> str | None:
    """None: it is no `mailto:` of one address."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return None
    text = unquote(rest.partition("?")[0])
    try:
        Address.parse(text)
    except MalformedAddress:
        return None
    return text if text.isascii() and text.isprintable() else None


def is_web(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme == "https" and bool(parts.hostname) and uri.isprintable()
    except ValueError:
        return False
