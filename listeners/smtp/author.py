"""The From: header of a message that comes in, where a setting wants it checked (N-023, D-052)."""

from __future__ import annotations

from accounts import identity
from domains import directory as domain_directory
from listeners import bridge
from listeners.smtp.session import Session
from protocols.address import Address, MalformedAddress
from protocols.message import addresses, headers
from protocols.smtp import replies
from protocols.smtp.replies import Reply

MAXIMUM_HEADER_BYTES = 256 * 1024


class AuthorCheck:
    """Collects the header as the message streams by, then judges its authors."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._is_complete = False

    def feed(self, piece: bytes) -> None:
        if self._is_complete:
            return
        searched = max(len(self._head) - 3, 0)
        self._head += piece
        end = self._head.find(b"\r\n\r\n", searched)
        if end >= 0:
            del self._head[end + 4 :]
        self._is_complete = end >= 0 or len(self._head) > MAXIMUM_HEADER_BYTES

    async def judge(self, session: Session) -> Reply | None:
        """None: the authors are such as this client may name."""
        known = await session.account()
        for author in self.authors():
            if known is not None:
                if not await bridge.ask_warm(identity.may_send_as, known[0], author):
                    return replies.AUTHOR_NOT_YOURS
                continue
            domain = await bridge.ask_warm(domain_directory.by_name, author.domain)
            if domain is None or domain.domain_id == session.permitted_domain_id:
                continue
            if domain.technical.require_smtp_authentication_for_author:
                return replies.AUTHOR_NOT_YOURS
        return None

    def authors(self) -> list[Address]:
        """The addresses of every From: field; those that are no addresses are left out."""
        values = headers.every(bytes(self._head), b"from")
        listed = [entry.address for value in values for entry in addresses.mailboxes(value)]
        return [address for text in listed if (address := _parse(text)) is not None]


def begin_author_check(session: Session) -> AuthorCheck | None:
    """None: nothing about the author can matter here."""
    if session.account_id is not None:
        return AuthorCheck() if session.policy.check_author_identity else None
    return None if session.is_listed else AuthorCheck()


def _parse(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except MalformedAddress:
        return None
