"""What can go wrong with another server, in words that its user may read."""

from __future__ import annotations

from enum import StrEnum

SAID_CHARACTERS = 200


class Stage(StrEnum):
    """How far a session had come."""

    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    LIST = "list"
    FETCH = "fetch"
    DELETE = "delete"


class RemoteFailed(Exception):
    """The other server did not do what was asked of it, or could not be asked.

    `text` may be shown to the user whose account it is: plain words, with what the server said
    cleaned and shortened, and never a password.
    """

    def __init__(self, text: str, stage: Stage) -> None:
        super().__init__(text)
        self.text = text
        self.stage = stage


class LoginRefused(RemoteFailed):
    """The server does not accept this name with this password."""

    def __init__(self, text: str) -> None:
        super().__init__(text, Stage.LOGIN)


class TargetForbidden(RemoteFailed):
    """The host leads to addresses from which nothing is fetched: private ones, or our own."""

    def __init__(self, text: str) -> None:
        super().__init__(text, Stage.CONNECT)


class MessageTooBig(RemoteFailed):
    """The message has more octets than the limit, as far as was seen: `size`."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"A message of {size} bytes is larger than the {limit} bytes that are allowed.",
            Stage.FETCH,
        )
        self.size = size


def said(words: str, fallback: str = "no reason given") -> str:
    """What a server said as one short line: controls, and what turns text around, left out."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    if len(plain) > SAID_CHARACTERS:
        plain = plain[: SAID_CHARACTERS - 1] + "…"
    return plain or fallback
