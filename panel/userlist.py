"""The users of one domain, with what the list shows of each (U-010)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import BigIntegerField, F, Q, QuerySet
from django.db.models.functions import Cast, Coalesce

from accounts import selectors
from accounts.models import Role, Status, User
from domains.models import Domain
from domains.policy import MEGABYTE
from panel.lists import Column, Listing, Pill

_allowed_mb = Cast("mailbox_size_mb", BigIntegerField())  # no 32 bits for the product
FULL = Q(mailbox_size_mb__gt=0, usage__bytes__gte=_allowed_mb * MEGABYTE)


class UserListing(Listing[User]):
    title = "Email users"
    singular, plural = "user", "users"
    identity = "local_part"
    sorted_by = "local_part"
    rows_template = "panel/users/rows.html"
    page_template = "panel/users/list.html"
    empty_text = "A user has a mailbox, an address and a password to log in with."
    pills: ClassVar[Sequence[Pill]] = (
        Pill("all", "All", Q()),
        Pill("enabled", "Enabled", Q(status=Status.ENABLED)),
        Pill("disabled", "Disabled", ~Q(status=Status.ENABLED)),
        Pill("administrators", "Administrators", Q(role=Role.DOMAIN_ADMINISTRATOR)),
        Pill("full", "Full", FULL),
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Address", "local_part", str),
        Column("Name", "full_name", lambda row: row.full_name),
        Column("Mailbox", "disk_used", lambda row: row.disk_used, unit="bytes"),
        Column("Status", "status", lambda row: row.get_status_display()),
        Column("Forward", "", lambda row: ", ".join(row.forward_to)),
        Column("Last log-in", "last_activity__at", lambda row: _last_at(row), unit="UTC"),
        Column("Created", "created_at", lambda row: row.created_at, unit="UTC"),
    )

    def search(self, query: str) -> Q:
        """By address or name; of a whole address the part before the @ counts."""
        local_part = query.partition("@")[0]
        found = Q(full_name__icontains=query)
        return found | Q(local_part__icontains=local_part) if local_part else found


def users_of(actor: User, domain: Domain) -> QuerySet[User]:
    rows = selectors.users_for(actor).filter(domain=domain)
    return rows.annotate(
        disk_used=Coalesce(F("usage__bytes"), 0, output_field=BigIntegerField()),
        messages_kept=Coalesce(F("usage__messages"), 0, output_field=BigIntegerField()),
    )


def _last_at(row: User) -> Any:
    activity = getattr(row, "last_activity", None)
    return activity.at if activity is not None else None
