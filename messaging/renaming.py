"""Sendings to a domain that gets another name while they go on."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.renaming import replace_domain
from domains.changes import Followed
from domains.renaming import Naming
from messaging.models import Audience, MassMail, Reminder


def follow(naming: Naming) -> Iterator[Followed]:
    """Called in the transaction that renames."""
    count = 0
    for model in (MassMail, Reminder):
        rows = model._default_manager
        whole = rows.filter(audience=Audience.DOMAIN, of=naming.old)
        count += whole.update(of=naming.new.name)
        single = rows.filter(audience=Audience.USER, of__endswith=f"@{naming.old}")
        count += replace_domain(single, "of", naming)
    yield Followed("messages to the users of the domain", count)
