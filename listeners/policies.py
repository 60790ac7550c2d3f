"""Keeps what this process remembers of domains, accounts and settings true, by notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accounts import directory as account_directory
from accounts import forwarding
from domains import directory as domain_directory
from domains import singlerow
from mailinglists import directory as list_directory
from mailinglists.posts import POSTED
from operations import services
from operations import settings as operations_settings
from signing import directory as signing_directory
from spool import relaydomains
from spool import settings as spool_settings
from switchboard.subscribe import Switchboard
from switchboard.topics import Note, Topic
from transport import overrides


def forget_when_told(board: Switchboard, *, changed: Callable[[], object]) -> None:
    """Drop from memory what notes say has changed; then call `changed` once for each batch.

    X-004: a change acts in open sessions too, because they ask at each command.
    """

    def domains(notes: Sequence[Note]) -> None:
        for note in notes:
            domain_directory.forget(note.key)
            account_directory.forget_domain(note.key)
            signing_directory.forget(note.key)
        changed()

    def accounts(notes: Sequence[Note]) -> None:
        for note in notes:
            account_directory.forget(note.key)
        changed()

    def lists(notes: Sequence[Note]) -> None:
        for note in notes:
            if note.payload != POSTED:
                list_directory.forget(note.key)

    def settings(notes: Sequence[Note]) -> None:
        singlerow.forget_all()
        account_directory.forget_caps()
        domain_directory.forget_policies()
        operations_settings.forget()
        services.forget()
        spool_settings.forget()
        forwarding.forget()
        overrides.forget()
        changed()

    board.subscribe(Topic.DOMAIN, None, domains)
    board.subscribe(Topic.ROUTES, None, lambda _notes: relaydomains.forget())
    board.subscribe(Topic.ACCOUNT, None, accounts)
    board.subscribe(Topic.MAILING_LIST, None, lists)
    board.subscribe(Topic.SETTINGS, None, settings)
