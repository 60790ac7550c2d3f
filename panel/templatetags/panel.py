"""What templates of the panel say beyond Django's own words."""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.messages import get_messages
from django.template import Context
from django.urls import reverse

from panel import helptopics, menu, notices
from panel.forms.words import label
from units.sizes import MEGABYTE

register = template.Library()

NEAR_FULL_PERCENT = 80
FULL_PERCENT = 95


@register.inclusion_tag("panel/gauge.html")
def gauge(used_bytes: int | None, allowed_mb: int, what: str) -> dict[str, Any]:
    """A bar of space in use; `allowed_mb` 0 means no limit, `what` is read out with it."""
    allowed = allowed_mb * MEGABYTE
    percent = (used_bytes or 0) * 100 // allowed if allowed else 0
    level = "full" if percent > FULL_PERCENT else "warn" if percent > NEAR_FULL_PERCENT else ""
    return {
        "used_bytes": used_bytes,
        "is_limited": bool(allowed),
        "percent": percent,
        "bar": min(percent, 100),
        "level": level,
        "what": what,
    }


@register.simple_tag(takes_context=True)
def page_url(context: Context, name: str, *arguments: object) -> str:
    """The address of a page; empty if there is none of that name, or not for this role."""
    actor = context.get("actor")
    if actor is None or actor.role not in menu.roles_of(name, len(arguments)):
        return ""
    return reverse(name, args=arguments)


@register.simple_tag
def help_url(topic: str) -> str:
    """Where the help on a page or a field stands (X-020); empty if there is none."""
    return helptopics.url(topic)


@register.simple_tag(takes_context=True)
def read_notices(context: Context) -> list[notices.Notice]:
    """What is to be said on this page, once."""
    return [notices.read(message) for message in get_messages(context["request"])]


@register.filter
def initials(name: object) -> str:
    """Two letters for the picture of whoever is logged in."""
    words = [word for word in str(name).replace("@", " ").replace(".", " ").split() if word]
    letters = "".join(word[0] for word in words[:2]) if len(words) > 1 else str(name)[:2]
    return letters.upper()


@register.filter
def counter(count: int) -> str:
    """For a badge: "999", then "1k", "20k", "1m"."""
    for size, letter in ((1_000_000, "m"), (1_000, "k")):
        if count >= size:
            return f"{count // size}{letter}"
    return str(count)


@register.filter
def plural(count: int, words: str) -> str:
    """`3|plural:"domain,domains"` is "3 domains"."""
    one, _, many = words.partition(",")
    return f"{count:,} {one if count == 1 else many}"


@register.filter
def words(name: str) -> str:
    """`user_aliases` as people read it."""
    return label(name)
