"""How a line of the access table is written, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from mailinglists import services as lists
from tests.people import World, make_world

# The columns of the table, in the order of `expected`.
ROLES = (
    "anonymous", "user", "other_admin", "admin", "other_reseller", "reseller", "root",
)  # fmt: skip
LOGIN = "login"  # sent to the log-in page
# One column more, which needs no word of its own in most lines: `root` in a window as `admin` gets
# what `admin` gets, but for pages that the account's owner opens in person.
IMPERSONATOR = "impersonator"
COLUMNS = (*ROLES, IMPERSONATOR)
IN_PERSON = frozenset(
    f"panel:{name}"
    for name in (
        "login", "logout", "second-factor", "second-factor-passkey",
        "account-app-passwords", "account-app-password-remove", "account-password",
        "account-second-factor", "account-second-factor-app", "account-second-factor-codes",
        "account-second-factor-passkey", "account-second-factor-remove",
        "openid", "openid-return", "account-identities", "account-identity-link",
        "account-identity-unlink", "account-session-end", "account-sessions",
        "account-sessions-end-others",
        "domain-impersonate", "impersonate", "impersonate-proposals",
        "unsubscribe", "confirm-subscription", "moderate",
    )
)  # fmt: skip


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

    def expected_of(self, who: str, *, subject: str = "admin") -> str:
        """The word of a column; `subject`: whom the impersonator is logged in as."""
        if who != IMPERSONATOR:
            return self.expected.split()[ROLES.index(who)]
        if self.name == "panel:impersonation-end" and self.post is not None:
            return "200"  # the window says that it is closed
        return "403" if self.name in IN_PERSON else self.expected.split()[ROLES.index(subject)]

    def __str__(self) -> str:
        return f"{'POST' if self.post is not None else 'GET'} {self.name}"


def make_world_with_lists() -> World:
    """With news@own.example, which alice moderates, and board@own.example, which nobody does."""
    world = make_world()
    for name, moderators in (("news", ["alice"]), ("board", [])):
        lists.create_list(domain=world.own, local_part=name, moderators=moderators, by=None)
    return world


def ask(page: Page, who: str, world: World) -> str:
    """The status, or LOGIN."""
    client = Client()
    if who != "anonymous":
        user: User = getattr(world, who)
        client.force_login(user)
    return ask_in(Window(client), page)


@dataclass(frozen=True)
class Window:
    """A browser's window; `prefix`: that of an impersonation's addresses."""

    client: Client
    prefix: str = ""


def open_window(client: Client, world: World, subject: User, **form: str) -> Window:
    """`root`, logged in as the subject."""
    client.force_login(world.root)
    answer = client.post("/panel/impersonate/", {"address": str(subject), **form})
    home: str = client.get(answer["Location"])["Location"]
    return Window(client, home.removesuffix("/panel/"))


def ask_in(window: Window, page: Page) -> str:
    url = window.prefix + page.url
    if page.post is None:
        answer: Any = window.client.get(url)
    else:
        answer = window.client.post(url, page.post)
    if answer.status_code == 302 and reverse("panel:login") in answer["Location"]:
        return LOGIN
    return str(answer.status_code)
