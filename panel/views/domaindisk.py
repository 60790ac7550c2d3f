"""Who uses how much of a domain's disk space (D-019, R-003)."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, QuerySet, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, reverse

from accounts import permissions, selectors
from accounts.models import User
from accounts.permissions import Verb
from domains.policy import MEGABYTE
from mailboxes import usage
from panel import ofdomain
from panel.access import ADMINISTRATORS, actor_of, opens_for
from panel.lists import Column, Pill
from panel.userlist import FULL, UserListing, users_of


class DiskListing(UserListing):
    """The largest first."""

    title = "Disk space"
    sorted_by = "-disk_used"
    rows_template = "panel/domains/disk_rows.html"
    page_template = "panel/domains/disk.html"
    pills = (UserListing.pills[0], Pill("full", "Full", FULL))
    columns = (
        Column("User", "local_part", str),
        Column("Used", "disk_used", lambda row: round(row.disk_used / MEGABYTE, 2), unit="MB"),
        Column("Limit", "mailbox_size_mb", lambda row: row.mailbox_size_mb or "", unit="MB"),
        Column("% of the domain", "", lambda row: row.share, is_number=True),
        Column("Messages", "messages_kept", lambda row: row.messages_kept, is_number=True),
    )


@opens_for(ADMINISTRATORS)
def disk(request: HttpRequest, name: str) -> HttpResponseBase:
    """Read from counters alone."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.VIEW)
    space = usage.of_domain(domain)
    rows = _with_share(users_of(actor, domain), space.whole_bytes)
    listing = DiskListing(request, rows)
    listing.add_url = reverse("panel:users-new", args=(domain.name,))
    context = {"space": space, "may_edit": permissions.may(actor, Verb.CHANGE_USERS, domain)}
    return listing.response(**context, **ofdomain.about(request, domain))


def _with_share(rows: QuerySet[User], whole_bytes: int) -> QuerySet[User]:
    """In whole percent; of nothing nobody has a share."""
    whole = Value(max(1, whole_bytes), output_field=BigIntegerField())
    used = F("disk_used") * Value(100, output_field=BigIntegerField())
    return rows.annotate(share=Cast(CombinedExpression(used, "/", whole), BigIntegerField()))


urlpatterns = [path("domain/<str:name>/disk-space/", disk, name="domain-disk")]
