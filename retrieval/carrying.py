"""Accounts on other servers as a backup holds them: with their passwords, and what they brought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from django.db import transaction

from accounts import secrets
from accounts.models import User
from blobs.ids import new_id
from domains.errors import Problem, ValuesRefused
from retrieval import services
from retrieval.models import (
    PASSWORD_PURPOSE,
    FetchedMessage,
    Kind,
    RemoteFolder,
    RetrievalAccount,
)

BATCH = 1000
# By these an account is known again.
LEADING = ("kind", "host", "username")


class KnownMessage(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    digest: str
    uidvalidity: int | None
    fetched_at: datetime
    deleted_at: datetime | None


class KnownFolder(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    uidvalidity: int
    last_uid: int
    messages: list[KnownMessage]


class KnownAccount(msgspec.Struct, frozen=True, kw_only=True):
    """`values`: as `services.add` takes them; the password is in the clear."""

    kind: str
    values: dict[str, Any]
    password: str
    folders: list[KnownFolder]

    def __str__(self) -> str:
        return f"{self.values.get('username', '')} at {self.values.get('host', '')}"


def known(row: RetrievalAccount) -> KnownAccount:
    """Raises Undecipherable."""
    return KnownAccount(
        kind=row.kind,
        values={name: getattr(row, name) for name in services.FIELDS},
        password=secrets.decrypt(PASSWORD_PURPOSE, bytes(row.password)).decode(),
        folders=[_known_folder(folder) for folder in row.folders.order_by("pk")],
    )


def _known_folder(folder: RemoteFolder) -> KnownFolder:
    rows = folder.messages.order_by("pk").iterator(BATCH)
    return KnownFolder(
        name=folder.name,
        uidvalidity=folder.uidvalidity,
        last_uid=folder.last_uid,
        messages=[
            KnownMessage(
                key=row.key,
                digest=row.digest,
                uidvalidity=row.uidvalidity,
                fetched_at=row.fetched_at,
                deleted_at=row.deleted_at,
            )
            for row in rows
        ],
    )


def is_there(user: User, account: KnownAccount) -> bool:
    """Whether the user has an account that leads to the same mailbox."""
    leading = {"kind": account.kind, **{each: account.values.get(each) for each in LEADING[1:]}}
    return RetrievalAccount.objects.filter(user=user, **leading).exists()


@transaction.atomic
def bring(*, user: User, account: KnownAccount, by: User | None) -> RetrievalAccount:
    """Add it, switched off: the server that the backup is of may still fetch, and delete there.

    What it has brought before does not come again. Raises as `services.add`.
    """
    try:
        kind = Kind(account.kind)
    except ValueError:
        raise ValuesRefused((Problem("kind", "must be pop3 or imap"),)) from None
    values = {each: account.values[each] for each in services.FIELDS if each in account.values}
    row = services.add(
        user=user,
        kind=kind,
        values=values | {"is_enabled": False},
        password=account.password,
        by=by,
    )
    for folder in account.folders:
        made = RemoteFolder.objects.create(
            account=row, name=folder.name, uidvalidity=folder.uidvalidity, last_uid=folder.last_uid
        )
        FetchedMessage.objects.bulk_create(_messages(made, folder), batch_size=BATCH)
    return row


def _messages(made: RemoteFolder, folder: KnownFolder) -> Iterator[FetchedMessage]:
    for each in folder.messages:
        yield FetchedMessage(
            id=new_id(),
            folder=made,
            uidvalidity=each.uidvalidity,
            key=each.key,
            digest=each.digest,
            fetched_at=each.fetched_at,
            deleted_at=each.deleted_at,
        )
