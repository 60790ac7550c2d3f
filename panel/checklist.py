"""What a newcomer has to set before mail flows: shown on the first page until it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from django.urls import reverse

from accounts.models import Role, User
from certificates import files
from certificates.errors import CertificateRefused
from domains.models import Domain


@dataclass(frozen=True, slots=True)
class Task:
    """`url` empty: it is done outside of the panel, as the text says."""

    title: str
    text: str
    is_done: bool
    url: str = ""


def tasks() -> Iterator[Task]:
    """For system administrators."""
    hostname, bind = settings.MAILHOST_HOSTNAME, settings.MAILHOST_BIND
    yield Task(
        "Name the server",
        f"It greets others as {hostname}. Set MAILHOST_HOSTNAME to the full name that the PTR "
        "record of its address has.",
        "." in hostname and not hostname.endswith((".local", ".localdomain", ".internal")),
    )
    yield Task(
        "Listen to the world",
        f"Connections are taken at {bind}, ports from {25 + settings.MAILHOST_PORT_OFFSET}. "
        "Set MAILHOST_BIND and MAILHOST_PORT_OFFSET=0 for other servers to reach you.",
        not ip_address(bind).is_loopback and not settings.MAILHOST_PORT_OFFSET,
    )
    yield Task(
        "Get a certificate",
        "Mail programs and browsers trust a certificate of an authority. It can be ordered "
        "automatically or uploaded.",
        _has_trusted_certificate(),
        reverse("panel:certificates"),
    )
    yield Task(
        "Open the first domain",
        "With its administrator, who then adds the mailboxes.",
        Domain.objects.exists(),
        reverse("panel:domain-new"),
    )
    people = User.objects.filter(domain=None, role=Role.SYSTEM_ADMINISTRATOR)
    yield Task(
        "Add a second administrator",
        "So that nobody is locked out when one password is lost.",
        people.count() > 1,
        reverse("admin:accounts_user_add"),
    )


def _has_trusted_certificate() -> bool:
    try:
        path = files.shown_without_name(settings.MAILHOST_HOSTNAME)
        return not files.read(path).is_self_signed
    except (CertificateRefused, OSError):
        return False
