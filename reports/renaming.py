"""Addresses that reports go to, when their domain gets another name."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.renaming import replace_in_lists
from administration.renaming import when_renamed
from domains.changes import Followed
from domains.renaming import Naming
from reports.models import Schedule


@when_renamed
def follow(naming: Naming) -> Iterator[Followed]:
    """Called in the transaction that renames."""
    changed = replace_in_lists(Schedule.objects.all(), "addresses", naming)
    yield Followed("reports that go to the domain", len(changed))
