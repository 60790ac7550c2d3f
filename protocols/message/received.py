"""Trace fields that a server puts on top of a message: Received, Return-Path. RFC 5321 §4.4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from protocols.message.dates import format_date

_SAFE_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}|[^\W_][\w.-]{0,254}")
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]+")


@dataclass(frozen=True, slots=True)
class Encryption:
    """What TLS agreed on, as Python's ssl names it: "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256."""

    version: str
    cipher: str
    bits: int


@dataclass(frozen=True, slots=True)
class Hop:
    """One reception of a message.

    `client_address` None hides the submitter: no from clause is written. `client_name` is the
    confirmed reverse name, None if unknown. `recipient` is given only for a message with one.
    """

    server_name: str
    spool_id: str
    greeting: str  # what the client said in EHLO or HELO, whatever that was
    client_address: str | None
    client_name: str | None = None
    is_extended: bool = True  # EHLO, not HELO
    is_utf8: bool = False  # MAIL with SMTPUTF8
    is_authenticated: bool = False
    encryption: Encryption | None = None
    recipient: str | None = None
    # By what it was fetched, as "POP3"; then `greeting` is the server it lay on. Empty: handed in.
    fetched_by: str = ""

    @property
    def protocol(self) -> str:
        """The keyword of the with clause. RFC 3848, RFC 6531 §4.3; none stands for fetching."""
        if self.fetched_by:
            return self.fetched_by
        if not self.is_extended:
            return "SMTP"
        keyword = "UTF8SMTP" if self.is_utf8 else "ESMTP"
        return keyword + "S" * (self.encryption is not None) + "A" * self.is_authenticated


def received(hop: Hop, now: datetime) -> bytes:
    """The Received field of this hop, with CRLF."""
    lines = ["Received:"]
    if hop.client_address is not None:
        greeting = hop.greeting if _SAFE_NAME.fullmatch(hop.greeting) else "unknown"
        how = "fetched for its reader" if hop.fetched_by else _client(hop)
        lines[0] += f" from {greeting} ({how})"
    lines.append(f"by {hop.server_name} (MailHost) with {hop.protocol} id {hop.spool_id}")
    if hop.encryption is not None:
        tls = hop.encryption
        lines.append(f"(using {tls.version} with cipher {tls.cipher} ({tls.bits} bits))")
    if hop.recipient is not None:
        lines.append(f"for <{_path(hop.recipient)}>")
    if hop.client_address is None:
        lines[0] += " " + lines.pop(1)
    text = "\r\n\t".join(lines) + ";\r\n\t"
    return text.encode("utf-8", "replace") + format_date(now) + b"\r\n"


def return_path(sender: str) -> bytes:
    """The Return-Path field that final delivery writes; an empty sender gives <>."""
    return f"Return-Path: <{_path(sender)}>\r\n".encode("utf-8", "replace")


def delivered_to(recipient: str) -> bytes:
    """The Delivered-To field: a mailbox that finds its own name there is in a loop."""
    return f"Delivered-To: {_path(recipient)}\r\n".encode("utf-8", "replace")


def _client(hop: Hop) -> str:
    name = hop.client_name if hop.client_name and _SAFE_NAME.fullmatch(hop.client_name) else None
    return f"{name or 'unknown'} [{_address_literal(hop.client_address or '')}]"


@lru_cache(maxsize=1024)  # asked for each message of a client that stays connected
def _address_literal(address: str) -> str:
    """RFC 5321 §4.1.3: IPv6 addresses carry a tag."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(known, IPv6Address):
        return str(known)
    return str(known.ipv4_mapped) if known.ipv4_mapped else f"IPv6:{known}"


def _path(address: str) -> str:
    return _UNSAFE.sub("", address)
