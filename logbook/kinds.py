"""Which logs there are, and how much goes into each (M-082, M-088)."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Kind(StrEnum):
    SMTP = "smtp"
    POP = "pop"
    IMAP = "imap"
    LDAP = "ldap"
    DELIVERY = "delivery"
    POP_RETRIEVAL = "pop-retrieval"
    IMAP_RETRIEVAL = "imap-retrieval"
    WEBMAIL = "webmail"
    ADMIN = "admin"
    EVENTS = "events"
    SPAM = "spam"
    ERRORS = "errors"


TITLES = {
    Kind.SMTP: "SMTP",
    Kind.POP: "POP",
    Kind.IMAP: "IMAP",
    Kind.LDAP: "LDAP",
    Kind.DELIVERY: "Delivery (spool)",
    Kind.POP_RETRIEVAL: "POP retrieval",
    Kind.IMAP_RETRIEVAL: "IMAP retrieval",
    Kind.WEBMAIL: "Webmail",
    Kind.ADMIN: "Administration (audit)",
    Kind.EVENTS: "Events",
    Kind.SPAM: "Spam checks",
    Kind.ERRORS: "Errors",
}


class Level(IntEnum):
    OFF = 0
    NORMAL = 1
    DETAILED = 2
