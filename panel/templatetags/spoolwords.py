"""Spans of time as people read them, and the tabs that pages of one family share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from blobs.ids import encode_id
from panel import menu

register = template.Library()

# Pages that stand beside each other, by family: label and name.
FAMILIES = {
    "spool": (
        ("All messages", "panel:spool"),
        ("Waiting to deliver", "panel:spool-waiting"),
        ("Quarantine", "panel:quarantine"),
        ("Throttled", "panel:throttled"),
        ("Hold rules", "panel:hold-rules"),
        ("Lost and found", "panel:lost-mail"),
        ("Statistics", "panel:spool-statistics"),
        ("Changes", "panel:spool-changes"),
        ("Settings", "panel:settings"),
    ),
    "routes": (
        ("Gateways", "panel:gateways"),
        ("Relay domains", "panel:relay-domains"),
        ("Relay networks", "panel:relay-networks"),
        ("Forwarding blacklist", "panel:forwarding-blacklist"),
        ("One recipient at a time", "panel:single-destinations"),
    ),
    "trace": (
        ("Accepted mail", "panel:trace"),
        ("Refused mail", "panel:refused-mail"),
        ("Ledger", "panel:ledger"),
    ),
}


@register.inclusion_tag("panel/spool/family.html", takes_context=True)
def family(context: Context, name: str) -> dict[str, Any]:
    """The tabs of a family that open for whoever looks."""
    actor, path = context.get("actor"), context["request"].path
    role = getattr(actor, "role", None)
    tabs = [
        (label, url, url == path)
        for label, url_name in FAMILIES[name]
        if role in menu.roles_of(url_name)
        for url in [reverse(url_name)]
    ]
    return {"tabs": tabs if len(tabs) > 1 else []}


@register.filter
def spool_id(value: int) -> str:
    """As Received lines and addresses of pages have it."""
    return encode_id(value)


@register.filter
def span(value: timedelta | None) -> str:
    """Two units at most: "45 s", "26 min", "1 h 12 min", "3 d 4 h"."""
    if value is None:
        return ""
    seconds = max(int(value.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
