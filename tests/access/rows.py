"""How a line of the access table is written, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.people import World

# The columns of the table, in the order of `expected`.
ROLES = (
    "anonymous", "user", "other_admin", "admin", "other_reseller", "reseller", "root",
)  # fmt: skip
LOGIN = "login"  # sent to the log-in page


@dataclass(frozen=True)
class Page:
    """`expected`: one word for each of ROLES; `args` speak of the world's `own` domain.

    `post` None: asked by GET.
    """

    name: str
    expected: str
    args: tuple[Any, ...] = ()
    query: str = ""
    post: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def url(self) -> str:
        return reverse(self.name, args=self.args) + (f"?{self.query}" if self.query else "")

    def __str__(self) -> str:
        return f"{'POST' if self.post is not None else 'GET'} {self.name}"


def ask(page: Page, who: str, world: World) -> str:
    """The status, or LOGIN."""
    client = Client()
    if who != "anonymous":
        user: User = getattr(world, who)
        client.force_login(user)
    if page.post is None:
        response = client.get(page.url)
    else:
        response = client.post(page.url, page.post)
    if response.status_code == 302 and response["Location"].startswith(reverse("panel:login")):
        return LOGIN
    return str(response.status_code)
