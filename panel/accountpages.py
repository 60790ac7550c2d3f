"""The pages of a person's own account, as they stand side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from panel import windows
from panel.access import actor_of


@dataclass(frozen=True, slots=True)
class AccountLink:
    label: str
    url: str
    is_active: bool


# Label, page, whether only its owner opens it, whether it is about a mailbox.
PAGES = (
    ("Profile", "panel:account", False, False),
    ("Password", "panel:account-password", True, False),
    ("Second factor", "panel:account-second-factor", True, False),
    ("Identities", "panel:account-identities", True, False),
    ("App passwords", "panel:account-app-passwords", True, True),
    ("Forwarding", "panel:account-forwarding", False, True),
    ("Fetched mail", "panel:account-retrieval", False, True),
    ("Export", "panel:account-export", False, True),
    ("Sessions", "panel:account-sessions", True, False),
    ("What happened", "panel:account-audit", False, False),
)


def links(request: HttpRequest) -> Iterator[AccountLink]:
    actor: User = actor_of(request)
    is_impersonated = windows.of(request) is not None
    for label, name, in_person, of_mailbox in PAGES:
        if (in_person and is_impersonated) or (of_mailbox and actor.domain_id is None):
            continue
        url = reverse(name)
        yield AccountLink(label, url, url == request.path)
