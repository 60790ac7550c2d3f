"""The verbs on retrieval accounts: add, change, remove, fetch now (N-060, N-061)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction

from accounts import permissions, rows, secrets
from accounts.models import User
from blobs.contention import tried_again
from clock.moments import utc_now
from domains.errors import ChangedMeanwhile, Problem, ValuesRefused
from domains.limits import effective, require_room
from domains.names import is_host
from domains.values import replace
from events import audit
from mailboxes import folders
from mailboxes.errors import FolderNameInvalid
from retrieval import bookkeeping, permits, selectors
from retrieval.errors import NotFetchable, RetrievalUnknown
from retrieval.models import (
    PASSWORD_PURPOSE,
    Kind,
    RetrievalAccount,
    Security,
)
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

FIELDS = (
    "host", "port", "security", "verify_certificate", "username", "afterwards",
    "delete_after_days", "target_folder", "all_folders", "interval_minutes", "is_enabled",
)  # fmt: skip
# What leads to another mailbox.
LEADING = frozenset({"host", "port", "username"})
# A change of these sends the password another way, so it is asked for again.
GUARDED = LEADING | {"security", "verify_certificate"}
# RFC 8314 §3.2, §3.3; RFC 1939 §3, RFC 9051 §2.1.
PORTS = {
    (Kind.POP3.value, True): 995,
    (Kind.POP3.value, False): 110,
    (Kind.IMAP.value, True): 993,
    (Kind.IMAP.value, False): 143,
}
LIMITS = {Kind.POP3.value: "pop_retrieval_accounts", Kind.IMAP.value: "imap_retrieval_accounts"}
PASSWORD_CHARACTERS = 512


@tried_again
@transaction.atomic
def add(
    *, user: User, kind: Kind, values: Values, password: str, by: User | None
) -> RetrievalAccount:
    """An account of `user`, fetched from at once. `by` None: the command that said so.

    Raises ValuesRefused, NotPermitted, FeatureOff (D-072, D-073), LimitReached (D-088, D-089).
    """
    if by is not None:
        selectors.require_leave(by, user)
    user = rows.lock(user)
    if user.domain is None:
        raise ValuesRefused((Problem("user", "has no mailbox"),))
    permissions.require_feature(user.domain, permits.FEATURES[kind])
    _require_free_place(user, kind)
    row = RetrievalAccount(user=user, kind=kind.value, created_at=utc_now(), next_due_at=utc_now())
    changes = replace(row, values, fields=FIELDS)
    if "port" not in values:
        row.port = PORTS[row.kind, row.security == Security.TLS]
    changes |= _seal(row, password)
    _check(row)
    row.save(force_insert=True)
    audit.record(by, "added retrieval account", row, _described(row))
    publish_on_commit(Topic.RETRIEVAL, row.pk)
    return row


@tried_again
@transaction.atomic
def change(
    *,
    account: RetrievalAccount,
    values: Values,
    by: User | None,
    password: str | None = None,
    expected_version: int | None = None,
) -> RetrievalAccount:
    """Set what is given; the password stays where it is None. What works on it now, ends.

    An account that leads to another server or another name there needs its password anew: it must
    not be sent where somebody else has pointed it. Raises RetrievalUnknown, NotPermitted,
    ValuesRefused, ChangedMeanwhile, FeatureOff.
    """
    row = _lock(account, by)
    if expected_version is not None and row.version != expected_version:
        raise ChangedMeanwhile(expected_version, row.version)
    changes = dict(replace(row, values, fields=FIELDS))
    if changes.keys() & GUARDED and password is None:
        reason = "must be entered again, as it would be sent to another server or another way"
        raise ValuesRefused((Problem("password", reason),))
    if password is not None:
        changes |= _seal(row, password)
    if not changes:
        return row
    _check(row)
    if changes.get("is_enabled", (None, False))[1] and row.user.domain is not None:
        permissions.require_feature(row.user.domain, permits.FEATURES[row.kind])
    if changes.keys() & LEADING:
        bookkeeping.begin_anew(row.pk)
    row.version += 1
    _start_over(row)
    row.save()
    audit.record(by, "changed retrieval account", row, changes)
    publish_on_commit(Topic.RETRIEVAL, row.pk)
    return row


@tried_again
@transaction.atomic
def remove(*, account: RetrievalAccount, by: User | None) -> None:
    """The mail that it has brought stays, here and there."""
    row = _lock(account, by)
    changes = {name: (new, None) for name, (_, new) in _described(row).items()}
    audit.record(by, "removed retrieval account", row, changes)
    row.delete()


@tried_again
@transaction.atomic
def fetch_now(*, account: RetrievalAccount, by: User | None) -> RetrievalAccount:
    """Within seconds, if the service runs. Raises NotFetchable, NotPermitted, RetrievalUnknown."""
    row = _lock(account, by)
    if not row.is_enabled:
        raise NotFetchable(str(row), "it is switched off")
    if permits.switched_off(row.user, row.kind):
        raise NotFetchable(str(row), "fetching is switched off for the domain")
    row.next_due_at = utc_now()
    row.save(update_fields=["next_due_at"])
    audit.record(by, "fetched from retrieval account now", row)
    publish_on_commit(Topic.RETRIEVAL, row.pk)
    return row


def password_of(row: RetrievalAccount) -> str:
    """In the clear, for whoever logs in there. Raises Undecipherable."""
    return secrets.decrypt(PASSWORD_PURPOSE, bytes(row.password)).decode()


def in_use(user: User, kind: Kind) -> tuple[int, int | None]:
    """How many accounts of the kind a user has, of how many; None: no limit (D-088, D-089)."""
    used = RetrievalAccount.objects.filter(user=user, kind=kind.value).count()
    if user.domain is None:
        return used, 0
    return used, effective(getattr(user.domain.domainlimits, LIMITS[kind.value]))


def _lock(account: RetrievalAccount, by: User | None) -> RetrievalAccount:
    """Raises RetrievalUnknown, NotPermitted."""
    row = (
        RetrievalAccount.objects.select_for_update(of=("self",))
        .select_related("user__domain")
        .filter(pk=account.pk)
        .first()
    )
    if row is None:
        raise RetrievalUnknown(account.pk)
    if by is not None:
        selectors.require_leave(by, row.user)
    return row


def _require_free_place(user: User, kind: Kind) -> None:
    used, allowed = in_use(user, kind)
    require_room(LIMITS[kind.value], allowed, used=used)


def _start_over(row: RetrievalAccount) -> None:
    """As if it were new: due at once, and no run that began before goes on."""
    row.claimed_by = row.claimed_until = row.told_at = None
    row.failures, row.last_error, row.next_due_at = 0, "", utc_now()


def _seal(row: RetrievalAccount, password: str) -> dict[str, tuple[Any, Any]]:
    """Raises ValuesRefused."""
    if not password or len(password) > PASSWORD_CHARACTERS:
        reason = "must not be empty" if not password else "is too long"
        raise ValuesRefused((Problem("password", reason),))
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in password):
        raise ValuesRefused((Problem("password", "must not have control characters"),))
    sealed = secrets.encrypt(PASSWORD_PURPOSE, password.encode())
    before, row.password = bytes(row.password), sealed
    return {"password": (before, sealed)}


def _check(row: RetrievalAccount) -> None:
    """Raises ValuesRefused."""
    if problems := tuple(_problems(row)):
        raise ValuesRefused(problems)


def _problems(row: RetrievalAccount) -> Iterator[Problem]:
    if not row.host:
        yield Problem("host", "must not be empty")
    elif not is_host(row.host):
        yield Problem("host", "must be a host name or an IP address")
    if not row.username:
        yield Problem("username", "must not be empty")
    if row.all_folders and row.kind != Kind.IMAP:
        yield Problem("all_folders", "is for IMAP only: POP3 knows no folders")
    try:
        row.target_folder = folders.check_name(row.target_folder)
    except FolderNameInvalid as error:
        yield Problem("target_folder", error.reason)


def _described(row: RetrievalAccount) -> dict[str, tuple[Any, Any]]:
    """All but the password, which nobody sees again."""
    names = ("kind", *FIELDS)
    return {"user": (None, str(row.user)), **{name: (None, getattr(row, name)) for name in names}}
