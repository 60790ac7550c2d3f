"""What a page says after something was done, with a way back where there is one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Undo:
    """A POST that takes back what was done: the address and the fields."""

    url: str
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """As the template shows it. `level` is one of Django's: success, info, warning, error."""

    text: str
    level: str
    undo: dict[str, Any] | None = None


def done(request: HttpRequest, text: str, *, undo: Undo | None = None) -> None:
    """A finished sentence about what has happened."""
    messages.success(request, text, extra_tags=json.dumps(asdict(undo)) if undo else "")


def failed(request: HttpRequest, text: str) -> None:
    messages.error(request, text)


def warned(request: HttpRequest, text: str) -> None:
    messages.warning(request, text)


def read(message: Message) -> Notice:
    undo = json.loads(message.extra_tags) if message.extra_tags else None
    return Notice(str(message.message), message.level_tag, undo)
