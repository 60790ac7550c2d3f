"""What a page of the panel shows, read from its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client

from accounts.models import User

LogIn = Callable[[User], Client]

HOSTILE = '"><script>alert(1)</script>'


def rows(response: Any) -> list[Any]:
    return list(response.context["listing"].rows)


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content
