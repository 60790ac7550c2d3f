"""Every address of the API, asked by every role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from api import urls
from tests.access.rows import ROLES, make_world_with_lists

JSON = "application/json"
OPEN = "200 200 200 200 200 200 200"
OWN = "401 200 200 200 200 200 200"  # everybody has some of his own, or an empty list
MISSING = "401 404 404 404 404 404 404"
SERVER = "401 403 403 403 403 403 200"
SERVER_MISSING = "401 403 403 403 403 403 404"
SERVER_REFUSED = "401 403 403 403 403 403 422"
ARCHIVE = "401 403 403 403 403 403 {}"  # of nobody's domain while nothing is archived
PROVIDERS = "401 403 403 403 200 200 200"
PROVIDERS_MISSING = "401 403 403 403 404 404 404"
PROVIDERS_REFUSED = "401 403 403 403 422 422 422"


@dataclass(frozen=True)
class Call:
    name: str
    expected: str
    args: tuple[Any, ...] = ()
    method: str = "get"
    body: Any = None
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {reverse(f'api:{self.name}', args=self.args)}{self.query}"


def write(name: str, expected: str, *args: Any, body: Any = None, method: str = "post") -> Call:
    return Call(name, expected, args, method, body if body is not None else {})


NEW_RETRIEVAL = {
    "kind": "imap", "host": "imap.elsewhere.example", "username": "x", "password": "y",
}  # fmt: skip
NEWS, BOARD = "news@own.example", "board@own.example"
OWN_USER, OWN_ALIAS = "alice@own.example", "sales@own.example"
#                                  anonymous user other_admin admin other_reseller reseller root
CALLS = [
    Call("me",                              OWN),
    Call("domains",                         OWN),
    write("domains",                        "401 403 403 403 422 422 422"),
    Call("domain",                          "401 404 404 200 404 200 200", ("own.example",)),
    Call("domain",                          MISSING, ("nowhere.example",)),
    write("domain",                         "401 404 404 403 404 200 200", "own.example",
          method="patch", body={"is_disabled": False}),
    Call("domain",                          "401 404 404 403 404 422 422", ("own.example",),
         "delete", query="?confirm=x"),
    write("domain-actions",                 "401 422 422 422 422 422 422"),
    Call("signing-keys",                    "401 404 404 200 404 200 200", ("own.example",)),
    write("signing-keys",                   "401 404 404 422 404 422 422", "own.example",
          body={"unknown": 1}),
    Call("signing-key",                     MISSING, ("own.example", "x._domainkey.own.example")),
    Call("signing-key",                     MISSING, ("own.example", "x._domainkey.own.example"),
         "delete"),
    Call("catch-all",                       "401 404 404 200 404 200 200", ("own.example",)),
    write("catch-all",                      "401 404 404 200 404 200 200", "own.example",
          method="put", body={"targets": ["alice"]}),
    Call("domain-aliases",                  OWN),
    write("domain-rename",                  "401 404 404 403 404 409 409", "own.example",
          body={"name": "other.example"}),
    write("domain-rename",                  "401 404 404 403 404 200 200", "own.example",
          body={"name": "new.example", "rehearse": True}),
    write("domain-rename",                  "401 404 404 403 404 409 409", "alias.example",
          body={"name": "new.example", "rehearse": True}),
    Call("domain-folder",                   "401 403 403 403 403 403 200", ("own.example",)),
    write("domain-folder",                  "401 403 403 403 403 403 422", "own.example",
          body={"folder_path": "/etc"}),
    Call("mailbox-exports",                 "401 200 404 200 404 200 200", (OWN_USER,)),
    Call("mailbox-exports",                 "401 202 404 202 404 202 202", (OWN_USER,), "post"),
    Call("mailbox-export",                  MISSING, (OWN_USER, 10**6)),
    write("domain-reload",                  "401 404 404 403 404 202 202", "own.example"),
    write("domain-aliases",                 "401 422 422 409 422 409 409",
          body={"name": "alias.example", "domain": "own.example"}),
    Call("domain-alias-claims",             OWN),
    Call("domain-alias-claim",              MISSING, (10**6,)),
    Call("domain-alias-claim",              MISSING, (10**6,), "delete"),
    Call("domain-alias-claim-check",        MISSING, (10**6,), "post"),
    Call("domain-alias-claim-approval",     SERVER_MISSING, (10**6,), "post"),
    Call("domain-alias",                    "401 404 404 200 404 200 200", ("alias.example",)),
    Call("domain-alias",                    "401 404 404 204 404 204 204", ("alias.example",),
         "delete"),
    Call("users",                           OWN),
    write("users",                          "401 422 422 201 422 201 201",
          body={"address": "new@own.example"}),
    write("users-bulk",                     "401 422 422 422 422 422 422"),
    write("user-actions",                   "401 422 422 422 422 422 422"),
    Call("user",                            "401 200 404 200 404 200 200", (OWN_USER,)),
    write("user",                           "401 403 404 200 404 200 200", OWN_USER,
          method="patch", body={"full_name": "Alice"}),
    write("user",                           "401 403 404 403 404 200 200", OWN_USER,
          method="patch", body={"outgoing_messages_per_hour": 5}),
    Call("user",                            "401 404 404 204 404 204 204", (OWN_USER,), "delete"),
    write("user-password",                  "401 404 404 422 404 422 422", OWN_USER),
    Call("app-passwords",                   "401 200 404 200 404 200 200", (OWN_USER,)),
    write("app-passwords",                  "401 404 404 201 404 201 201", OWN_USER,
          body={"name": "phone"}),
    Call("app-password",                    MISSING, (OWN_USER, 1), "delete"),
    Call("aliases",                         OWN),
    write("aliases",                        "401 422 422 201 422 201 201",
          body={"address": "new@own.example", "targets": ["alice"]}),
    write("aliases-bulk",                   "401 422 422 422 422 422 422"),
    Call("alias",                           "401 404 404 200 404 200 200", (OWN_ALIAS,)),
    write("alias",                          "401 404 404 200 404 200 200", OWN_ALIAS,
          method="patch"),
    Call("alias",                           "401 404 404 204 404 204 204", (OWN_ALIAS,), "delete"),
    Call("plans",                           SERVER),
    write("plans",                          SERVER_REFUSED),
    Call("plan",                            SERVER_MISSING, (1,)),
    Call("resellers",                       SERVER),
    write("resellers",                      SERVER_REFUSED),
    Call("reseller",                        SERVER, ("rob",)),
    Call("gateways",                        SERVER),
    write("gateways",                       SERVER_REFUSED),
    Call("gateway",                         SERVER_MISSING, (1,)),
    Call("services",                        SERVER),
    write("service-actions",                SERVER_REFUSED, "smtp"),
    Call("connections",                     SERVER),
    Call("connection",                      MISSING, (1,), "delete"),
    Call("online",                          OWN),
    Call("impersonations",                  "401 403 200 200 200 200 200"),
    Call("impersonation",                   "401 403 404 404 404 404 404", (10**6,), "delete"),
    Call("blocks",                          SERVER),
    write("blocks",                         SERVER_REFUSED),
    Call("block",                           SERVER_MISSING, (1,)),
    Call("abuse-rules",                     SERVER),
    write("abuse-rules",                    SERVER_REFUSED),
    Call("abuse-rule",                      SERVER_MISSING, (10**6,)),
    Call("blacklist",                       SERVER),
    write("blacklist",                      SERVER_REFUSED),
    Call("blacklist-entry",                 SERVER_MISSING, (1,)),
    Call("whitelist",                       SERVER),
    write("whitelist",                      SERVER_REFUSED),
    Call("whitelist-entry",                 SERVER_MISSING, (1,)),
    *(Call(f"settings-{name}", SERVER)
      for name in ("acme", "caps", "deletion", "listeners", "login", "logs", "names", "resolver",
                   "retrieval", "spool", "transport")),
    Call("server-limits",                   SERVER),
    write("settings-spool",                 SERVER, method="patch"),
    Call("settings-login-provider",         SERVER),
    write("settings-login-provider",        SERVER, method="patch"),
    Call("domain-defaults",                 SERVER),
    write("domain-defaults",                SERVER, method="patch"),
    write("domain-defaults-preview",        SERVER_REFUSED),
    write("domain-defaults-apply",          SERVER_REFUSED),
    Call("spool",                           OWN),
    write("spool-actions",                  "401 403 403 403 403 403 200",
          body={"action": "delete", "all": True}),
    Call("spool-undo",                      MISSING, (1,), "post"),
    Call("spool-message",                   MISSING, ("0000000000001",)),
    Call("throttled",                       OWN),
    write("throttled-release",              MISSING, body={"kind": "domain", "key_id": 1}),
    Call("traces",                          OWN, query="?q=x"),
    Call("trace",                           MISSING, ("0000000000001",)),
    Call("ledger",                          OWN),
    Call("reports",                         OWN),
    Call("report",                          SERVER, ("system-volume",)),
    Call("report",                          "401 403 404 200 404 200 200", ("domain-traffic",),
         query="?domain=own.example"),
    Call("report",                          "401 200 404 200 404 200 200", ("user-activity",),
         query="?user=alice@own.example"),
    Call("report",                          MISSING, ("nothing",)),
    Call("mailed-reports",                  OWN),
    write("mailed-reports",                 "401 422 422 422 422 422 422"),
    write("mailed-reports",                 "401 403 403 403 403 403 201",
          body={"kind": "system-volume", "addresses": ["ann@own.example"]}),
    write("mailed-reports",                 "401 403 422 201 422 201 201",
          body={"kind": "domain-users", "domain": "own.example", "addresses": ["a@b.example"]}),
    write("mailed-reports",                 "401 201 422 201 422 201 201",
          body={"kind": "user-activity", "user": OWN_USER, "addresses": [OWN_USER]}),
    Call("mailed-report",                   MISSING, (10**6,)),
    write("mailed-report",                  MISSING, 10**6, method="patch"),
    Call("mailed-report",                   MISSING, (10**6,), "delete"),
    Call("mailed-report-send",              MISSING, (10**6,), "post"),
    Call("logs",                            "401 403 200 200 200 200 200"),
    Call("log-lines",                       "401 403 404 404 404 404 404", ("smtp", "1990-01-01")),
    Call("jobs",                            OWN),
    Call("job",                             MISSING, (1,)),
    Call("job-cancel",                      MISSING, (1,), "post"),
    Call("audit",                           OWN),
    Call("audit-operation",                 MISSING, (10**6,)),
    Call("audit-undo",                      MISSING, (10**6,), "post"),
    Call("tokens",                          OWN),
    write("tokens",                         "401 201 201 201 201 201 201",
          body={"name": "x", "scopes": ["*"]}),
    Call("token",                           MISSING, (10**6,)),
    Call("webhooks",                        OWN),
    write("webhooks",                       "401 422 422 422 422 422 422"),
    Call("webhook",                         MISSING, (1,)),
    Call("webhook-ping",                    MISSING, (1,), "post"),
    Call("webhook-deliveries",              MISSING, (1,)),
    Call("certificates",                    SERVER),
    write("certificates",                   SERVER_REFUSED),
    write("certificate-orders",             SERVER_REFUSED),
    Call("certificate",                     SERVER_MISSING, ("nowhere.example",)),
    Call("transcripts",                     SERVER),
    write("transcripts",                    SERVER_REFUSED),
    Call("transcript",                      SERVER_MISSING, (10**6,)),
    Call("transcript-lines",                SERVER_MISSING, (10**6,)),
    Call("transcript-stop",                 SERVER_MISSING, (10**6,), "post"),
    Call("relay-networks",                  SERVER),
    write("relay-networks",                 SERVER_REFUSED),
    Call("relay-network",                   SERVER_MISSING, (10**6,)),
    Call("relay-domains",                   SERVER),
    write("relay-domains",                  SERVER_REFUSED),
    Call("relay-domain",                    SERVER_MISSING, (10**6,)),
    Call("single-destinations",             SERVER),
    write("single-destinations",            SERVER_REFUSED),
    Call("single-destination",              SERVER_MISSING, (10**6,)),
    Call("forwarding-blacklist",            SERVER),
    write("forwarding-blacklist",           SERVER_REFUSED),
    Call("forwarding-ban",                  SERVER_MISSING, (10**6,)),
    Call("hold-rules",                      SERVER),
    write("hold-rules",                     SERVER_REFUSED),
    Call("hold-rule",                       SERVER_MISSING, (10**6,)),
    Call("lost-mail",                       SERVER),
    Call("lost-message",                    SERVER_MISSING, ("0000000000001",)),
    Call("lost-message",                    SERVER_MISSING, ("nonsense",)),
    Call("lost-message",                    SERVER_MISSING, ("0000000000001",), "delete"),
    Call("lost-message-text",               SERVER_MISSING, ("0000000000001",)),
    Call("lost-message-requeue",            SERVER_MISSING, ("0000000000001",), "post"),
    Call("recycle-bin",                     OWN),
    Call("recycled",                        MISSING, (10**6,)),
    Call("recycled",                        MISSING, (10**6,), "delete", query="?confirm=x"),
    Call("recycled-restore",                MISSING, (10**6,), "post"),
    Call("domain-dns",                      "401 404 404 200 404 200 200", ("own.example",)),
    Call("domain-dns-check",                "401 404 404 200 404 200 200", ("own.example",),
         "post"),
    Call("domain-limits",                   "401 404 404 200 404 200 200", ("own.example",)),
    Call("user-limits",                     "401 200 404 200 404 200 200", (OWN_USER,)),
    Call("audience",                        "401 403 403 403 200 200 200", query="?audience=all"),
    Call("mass-mail",                       PROVIDERS),
    write("mass-mail",                      PROVIDERS_REFUSED),
    Call("mass-mail-one",                   PROVIDERS_MISSING, (10**6,)),
    Call("mass-mail-move",                  PROVIDERS_MISSING, (10**6, "pause"), "post"),
    Call("reminders",                       PROVIDERS),
    write("reminders",                      PROVIDERS_REFUSED),
    Call("reminder",                        PROVIDERS_MISSING, (10**6,)),
    Call("reminder-move",                   PROVIDERS_MISSING, (10**6, "pause"), "post"),
    Call("own-reminders",                   OWN),
    write("own-reminder",                   MISSING, 10**6, body={"answer": "later"}),
    write("services",                       SERVER_REFUSED),
    write("gateway-forecast",               "401 403 403 403 403 403 422"),
    Call("gateway-test",                    SERVER_MISSING, (10**6,), "post"),
    write("abuse-rules-preset",             SERVER_REFUSED),
    write("blacklist-bulk",                 SERVER_REFUSED),
    write("whitelist-bulk",                 SERVER_REFUSED),
    Call("parties",                         SERVER),
    Call("log-download",                    "401 403 404 404 404 404 404",
         ("smtp", "1990-01-01")),
    Call("inactive-users",                  "401 403 200 200 200 200 200"),
    write("user-import",                    "401 404 404 422 404 422 422", "own.example"),
    Call("spool-changes",                   OWN),
    Call("spool-statistics",                SERVER),
    Call("spool-forecast",                  SERVER, query="?of=own.example"),
    Call("spool-forecast",                  SERVER_MISSING, query="?of=nowhere.example"),
    Call("spool-text",                      SERVER_MISSING, ("0000000000001",)),
    Call("spool-download",                  SERVER_MISSING, ("0000000000001",)),
    Call("own-profile",                     OWN),
    write("own-profile",                    OWN, method="patch"),
    Call("retrieval-accounts",              OWN),
    Call("retrieval-accounts",              "401 200 404 200 404 200 200",
         query=f"?user={OWN_USER}"),
    write("retrieval-accounts",             "401 422 422 422 422 422 422"),
    write("retrieval-accounts",             "401 201 422 201 422 201 201",
          body=NEW_RETRIEVAL | {"user": OWN_USER}),
    write("retrieval-accounts",             "401 201 201 201 422 422 422", body=NEW_RETRIEVAL),
    Call("retrieval-account",               MISSING, (10**6,)),
    write("retrieval-account",              MISSING, 10**6, method="patch"),
    Call("retrieval-account",               MISSING, (10**6,), "delete"),
    Call("retrieval-account-fetch",         MISSING, (10**6,), "post"),
    Call("retrieval-account-test",          MISSING, (10**6,), "post"),
    Call("mailing-lists",                   OWN),
    Call("mailing-lists",                   "401 404 404 200 404 200 200",
         query="?domain=own.example"),
    write("mailing-lists",                  "401 422 422 422 422 422 422"),
    write("mailing-lists",                  "401 422 422 201 422 201 201",
          body={"address": "new@own.example"}),
    Call("mailing-list",                    "401 200 404 200 404 200 200", (NEWS,)),
    Call("mailing-list",                    "401 404 404 200 404 200 200", (BOARD,)),
    write("mailing-list",                   "401 200 404 200 404 200 200", NEWS, method="patch",
          body={"footer_text": "Bye"}),
    write("mailing-list",                   "401 403 404 200 404 200 200", NEWS, method="patch",
          body={"posting": "anyone"}),
    write("mailing-list",                   "401 403 404 200 404 200 200", NEWS, method="patch",
          body={"moderators": ["admin"]}),
    Call("mailing-list",                    "401 403 404 204 404 204 204", (NEWS,), "delete"),
    Call("list-subscribers",                "401 200 404 200 404 200 200", (NEWS,)),
    Call("list-subscribers",                "401 404 404 200 404 200 200", (BOARD,)),
    write("list-subscribers",               "401 200 404 200 404 200 200", NEWS,
          body={"subscribers": [{"address": "x@far.example"}], "have_agreed": True}),
    write("list-subscribers",               "401 404 404 422 404 422 422", BOARD),
    Call("list-subscribers-export",         "401 200 404 200 404 200 200", (NEWS,)),
    Call("list-subscribers-export",         "401 404 404 200 404 200 200", (BOARD,)),
    Call("list-subscriber",                 MISSING, (NEWS, "nobody@far.example")),
    write("list-subscriber",                MISSING, NEWS, "nobody@far.example", method="patch"),
    Call("list-subscriber",                 MISSING, (NEWS, "nobody@far.example"), "delete"),
    Call("held-posts",                      "401 200 404 200 404 200 200", (NEWS,)),
    Call("held-posts",                      "401 404 404 200 404 200 200", (BOARD,)),
    Call("held-post",                       MISSING, (NEWS, "0000000000001")),
    Call("held-post-approve",               MISSING, (NEWS, "0000000000001"), "post"),
    write("held-post-refuse",               MISSING, NEWS, "0000000000001"),
    Call("archive",                         ARCHIVE.format(200)),
    write("archive-exports",                ARCHIVE.format(422)),
    Call("archive-export",                  MISSING, (10**6,)),
    Call("archived",                        ARCHIVE.format(404), ("m1",)),
    Call("archived-download",               ARCHIVE.format(404), ("m1",)),
    write("archived-again",                 ARCHIVE.format(404), "m1"),
    Call("schema",                          OPEN),
    Call("docs",                            OPEN),
    Call("problems",                        OPEN),
    Call("problem",                         OPEN, ("not-found",)),
    Call("nothing",                         "404 404 404 404 404 404 404"),
]  # fmt: skip


def names(patterns: list[Any]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found |= names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            found.add(str(pattern.name))
    return found


def test_every_address_of_the_api_stands_in_the_table() -> None:
    assert names(urls.urlpatterns) == {call.name for call in CALLS}


@pytest.mark.django_db
@pytest.mark.parametrize("who", ROLES)
def test_each_role_gets_from_the_api_what_the_table_says(who: str) -> None:
    world = make_world_with_lists()
    client = Client(headers={"If-Match": "*"})
    if who != "anonymous":
        client.force_login(getattr(world, who))
    found, expected = [], []
    for call in CALLS:
        mark = transaction.savepoint()
        url = reverse(f"api:{call.name}", args=call.args) + call.query
        options = {} if call.body is None else {"data": call.body, "content_type": JSON}
        answer = getattr(client, call.method)(url, **options)
        transaction.savepoint_rollback(mark)
        found.append((str(call), str(answer.status_code)))
        expected.append((str(call), call.expected.split()[ROLES.index(who)]))
    assert dict(set(found) - set(expected)) == {}
