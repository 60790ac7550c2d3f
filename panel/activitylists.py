"""Who is connected and who is online, as lists (M-020…M-027, M-040…M-045)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from accounts import selectors
from accounts.models import User
from domains.lookups import begins_with
from operations.models import Connection
from panel.lists import Column, Listing, Pill

OUTBOUND = "outbound"


class ConnectionListing(Listing[Connection]):
    title = "Current connections"
    singular, plural = "connection", "connections"
    sorted_by = "-started_at"
    rows_template = "panel/operations/connection_rows.html"
    page_template = "panel/operations/connections.html"
    empty_title = "No connections"
    empty_text = "Nobody is connected at this moment."
    empty_page, empty_page_label = "panel:services", "Look whether the services run"
    pills = (
        Pill("all", "All", Q()),
        Pill("smtp", "SMTP", Q(service="smtp")),
        Pill("imap", "IMAP", Q(service="imap")),
        Pill("pop", "POP", Q(service="pop")),
        Pill("ldap", "LDAP", Q(service="ldap")),
        Pill(OUTBOUND, "SMTP, ours to others", Q(is_outbound=True)),
    )
    columns = (
        Column("IP address", "client_address", lambda row: row.client_address),
        Column("Of this IP", "of_address", lambda row: row.of_address, is_number=True),
        Column("Protocol", "service", lambda row: row.service),
        Column("Port", "local_port", lambda row: row.local_port, is_number=True),
        Column("User", "account_id", lambda row: row.account_id),
        Column("TLS", "is_encrypted", lambda row: row.tls or row.is_encrypted),
        Column("Since, duration", "started_at", lambda row: row.started_at, unit="UTC"),
        Column("In", "bytes_in", lambda row: row.bytes_in, is_number=True, unit="bytes"),
        Column("Out", "bytes_out", lambda row: row.bytes_out, is_number=True, unit="bytes"),
    )

    def search(self, query: str) -> Q:
        """By the beginning of an address, of a host's name or of a user's."""
        named = users_named(query)
        return (
            Q(client_address__startswith=query)
            | Q(peer_name__startswith=query.lower())
            | Q(account_id__in=named)
        )


class SessionListing(Listing[Connection]):
    title = "Online users"
    singular, plural = "session", "sessions"
    sorted_by = "-logged_in_at"
    rows_template = "panel/operations/session_rows.html"
    page_template = "panel/operations/sessions_page.html"
    empty_title = "Nobody is online"
    empty_text = "Nobody is logged in by IMAP or webmail at this moment."
    empty_page, empty_page_label = "panel:inactive-users", "Inactive users"
    pills = (
        Pill("all", "All", Q()),
        Pill("imap", "IMAP", Q(service="imap")),
        Pill("webmail", "Webmail", Q(service="webmail")),
    )
    columns = (
        Column("User", "local_part", lambda row: f"{row.local_part}@{row.domain_name}"),
        Column("Domain", "domain_name", lambda row: row.domain_name),
        Column("Type", "service", lambda row: row.service),
        Column("IP address", "client_address", lambda row: row.client_address),
        Column("Start", "logged_in_at", lambda row: row.logged_in_at, unit="UTC"),
        Column("Duration", ""),
    )

    def search(self, query: str) -> Q:
        """By address, domain, IP address or type (M-027)."""
        local_part, at, domain = query.lower().partition("@")
        if at:
            return begins_with("local_part", local_part) & begins_with("domain_name", domain)
        return (
            Q(local_part__icontains=query)
            | Q(domain_name__icontains=query)
            | Q(client_address__startswith=query)
            | Q(service=query.lower())
        )


def users_named(query: str) -> object:
    """Keys of the users whose address begins so."""
    local_part, _, domain = query.lower().partition("@")
    users = User.objects.filter(begins_with("local_part", local_part))
    if domain:
        users = users.filter(begins_with("domain__name", domain))
    return users.values("pk")


def name_users(rows: Sequence[Connection], actor: User) -> None:
    """Give each connection the `user` that has logged in, or None, and its `tls_version`."""
    wanted = {row.account_id for row in rows if row.account_id is not None}
    users = selectors.users_for(actor).in_bulk(wanted) if wanted else {}
    for row in rows:
        row.user = users.get(row.account_id or 0)  # type: ignore[attr-defined]
        row.tls_version = row.tls.partition(" ")[0] or "yes"  # type: ignore[attr-defined]
