"""The manifest in a domain's folder: its settings, people and addresses, for reload (D-034)."""

from __future__ import annotations

import hmac
import os
import time
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from django.db import models

from accounts import secrets
from accounts.models import AliasTarget, User, UserAlias
from blobs.errors import StoreFailed
from blobs.holding import held
from blobs.segment import sync_directory
from domains import belongings
from domains.models import TABS, Domain
from mailboxes.models import Folder, Subscription
from switchboard.changes import ChangeCursor, changes_since
from switchboard.topics import Note, Topic

log = structlog.get_logger(__name__)

PURPOSE = "manifest"  # of the key that seals are made with
NAME = "manifest.json"
# What somebody else wrote there: another server, or a person.
FOUND = "manifest.found.json"
IMPORTED = "manifest.imported.json"
LARGEST_BYTES = 256 << 20
FORMAT = 1
# After a change of what there may be much of, such as subscribers of lists.
PAUSE_SECONDS = 300
DOMAINS_AT_ONCE = 20  # of one call: the rest follows in the next

# What belongs to this installation and not to the domain.
_NOT_WRITTEN = frozenset({"id", "domain", "area", "last_login", "version", "is_deleting", "alias"})


def build(domain: Domain, *, is_sealed: bool = True) -> bytes:
    """Everything but the mail, with local parts only, so that the folder may be moved.

    Holds password verifiers, like the database: the file is for the server's user alone.
    Without a seal that fits every server takes it for news.
    """
    aliases = UserAlias.objects.filter(domain=domain).order_by("local_part")
    targets: dict[int, list[dict[str, Any]]] = {}
    for target in AliasTarget.objects.filter(alias__domain=domain).select_related("account"):
        targets.setdefault(target.alias_id, []).append(_target(target))
    content = {
        "format": FORMAT,
        "domain": _values(domain),
        "settings": {
            name: _values(row)
            for name, tab in TABS.items()
            for row in tab._default_manager.filter(domain=domain)
        },
        "domain_aliases": [_values(alias) for alias in domain.aliases.order_by("name")],
        "users": list(_users(domain)),
        "user_aliases": [
            {**_values(alias), "targets": targets.get(alias.pk, [])} for alias in aliases
        ],
        **{one.name: one.build(domain) for one in belongings.sections()},
    }
    content["seal"] = seal(content, domain.pk) if is_sealed else ""
    packed = msgspec.json.encode(content, order="sorted")
    return msgspec.json.format(packed, indent=2) + b"\n"


def write(domain: Domain) -> bool:
    """Bring the domain's manifest up to date; False if it was. Raises OSError, StoreFailed. Blocks.

    A reader sees the old one or the new one, whatever happens meanwhile.
    """
    content = build(domain)
    with held(domain.area):
        return _write(domain.area.directory, content, domain.pk)


def _write(directory: Path, content: bytes, domain_id: int) -> bool:
    path = directory / NAME
    try:
        there = path.read_bytes()
        if there == content:
            return False
        if not is_ours(there, msgspec.json.decode(content)["domain"]["name"], domain_id):
            path.rename(directory / FOUND)  # for Reload
    except FileNotFoundError:
        pass
    fresh = directory / f".{NAME}.{os.getpid()}"
    fd = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.rename(path)
    sync_directory(directory)
    return True


class ManifestBroken(Exception):
    """The file is there and cannot be understood."""


def seal(content: dict[str, Any], domain_id: int) -> str:
    """Says that this server wrote the content, for that very domain."""
    return _seal(content, domain_id, secrets.derive(PURPOSE))


def _seal(content: dict[str, Any], domain_id: int, key: bytes) -> str:
    plain = {key: value for key, value in content.items() if key != "seal"}
    packed = str(domain_id).encode() + msgspec.json.encode(plain, order="sorted")
    return hmac.new(key, packed, "sha256").hexdigest()


def is_ours(octets: bytes, name: str, domain_id: int) -> bool:
    """Whether nothing can be learnt from the file: it is this server's own, perhaps an old one."""
    try:
        content = read(octets)
    except ManifestBroken:
        return False
    if "seal" not in content:  # as servers wrote it before there were seals
        return bool(content["domain"].get("name") == name)
    given = str(content["seal"]).encode()
    return any(
        hmac.compare_digest(given, _seal(content, domain_id, key).encode())
        for key in secrets.derivations(PURPOSE)
    )


def read(octets: bytes) -> dict[str, Any]:
    """Raises ManifestBroken."""
    try:
        content = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestBroken(str(error)) from None
    if not isinstance(content, dict) or not isinstance(content.get("domain"), dict):
        raise ManifestBroken("it is not a manifest")
    if content.get("format") != FORMAT:
        raise ManifestBroken("it is of another format")
    return content


def found(domain: Domain, folder: Path | None = None) -> dict[str, Any] | None:
    """What somebody else wrote into the domain's folder, or another; None: nothing.

    Raises ManifestBroken, OSError.
    """
    directory = folder or domain.area.directory
    for name in (FOUND, NAME):
        path = directory / name
        if not path.is_file():
            continue
        if path.stat().st_size > LARGEST_BYTES:
            raise ManifestBroken("it is too large")
        octets = path.read_bytes()
        if not is_ours(octets, domain.name, domain.pk):
            return read(octets)
    return None


def set_aside(domain: Domain) -> None:
    """What was found has been imported."""
    directory = domain.area.directory
    for name in (NAME, FOUND):
        path = directory / name
        if path.is_file() and not is_ours(path.read_bytes(), domain.name, domain.pk):
            path.rename(directory / IMPORTED)


class ManifestKeeper:
    """Writes the manifests of domains that have changed: at first all, later those noted.

    Notes are read from the database, so none is missed; belongs to one thread at a time.
    """

    def __init__(self) -> None:
        self._cursor: ChangeCursor | None = None
        self._waiting: deque[int] = deque()
        self._later: dict[int, float] = {}

    def run_once(self) -> int:
        """Write some of those that are due; how many were written. Blocks."""
        notes, cursor = changes_since(self._cursor)
        if self._cursor is None:
            self._waiting.extend(Domain.objects.order_by("pk").values_list("pk", flat=True))
        self._cursor = cursor
        for domain_id in sorted(domains_of(notes) | self._due(notes)):
            if domain_id not in self._waiting:
                self._waiting.append(domain_id)
        written = 0
        for _ in range(min(len(self._waiting), DOMAINS_AT_ONCE)):
            written += self._write(self._waiting.popleft())
        return written

    def _due(self, notes: Iterable[Note]) -> set[int]:
        """Domains of which something changed some time ago that other rooms keep."""
        now = time.monotonic()
        for section in belongings.sections():
            keys = {note.key for note in notes if note.topic == section.topic}
            for domain_id in section.domains_of(keys) if keys else ():
                self._later.setdefault(domain_id, now + PAUSE_SECONDS)
        due = {domain_id for domain_id, when in self._later.items() if when <= now}
        for domain_id in due:
            del self._later[domain_id]
        return due

    def _write(self, domain_id: int) -> bool:
        domain = Domain.objects.select_related("area", "renaming").filter(pk=domain_id).first()
        if domain is None or domain.is_deleting or hasattr(domain, "renaming"):
            return False
        try:
            return write(domain)
        except (OSError, StoreFailed) as error:
            log.error("manifest not written", domain=domain.name, reason=str(error))
            return False


def domains_of(notes: Iterable[Note]) -> set[int]:
    """The keys of the domains that these notes are about."""
    found = {note.key for note in notes if note.topic == Topic.DOMAIN}
    keys = {note.key for note in notes if note.topic == Topic.ACCOUNT}
    if keys:
        # The key of such a note is an account's or an alias's: one domain too many does no harm.
        of_users = User.objects.filter(pk__in=keys, domain__isnull=False)
        found.update(key for key in of_users.values_list("domain_id", flat=True) if key)
        of_aliases = UserAlias.objects.filter(pk__in=keys)
        found.update(of_aliases.values_list("domain_id", flat=True))
    for note in notes:
        if note.topic == Topic.ACCOUNT and len(note.payload) == 8:
            found.add(int.from_bytes(note.payload, "big"))
    return found


def _users(domain: Domain) -> Iterator[dict[str, Any]]:
    users = User.objects.filter(domain=domain).order_by("local_part")
    folders: dict[int, list[dict[str, Any]]] = {}
    for folder in Folder.objects.filter(account__domain=domain).order_by("name"):
        entry = {
            "name": folder.name,
            "special_use": folder.special_use,
            "uidvalidity": folder.uidvalidity,
        }
        folders.setdefault(folder.account_id, []).append(entry)
    subscriptions: dict[int, list[str]] = {}
    for account_id, name in (
        Subscription.objects.filter(account__domain=domain)
        .order_by("name")
        .values_list("account_id", "name")
    ):
        subscriptions.setdefault(account_id, []).append(name)
    for user in users:
        yield {
            **_values(user),
            "folders": folders.get(user.pk, []),
            "subscriptions": subscriptions.get(user.pk, []),
        }


def _target(target: AliasTarget) -> dict[str, Any]:
    if target.account is not None:
        return {"user": target.account.local_part}
    return {"address": f"{target.local_part}@{target.domain_name}"}


def _values(row: models.Model) -> dict[str, Any]:
    """The plain fields of a row by name, as JSON can hold them."""
    return {
        field.name: _plain(field.value_from_object(row))
        for field in row._meta.concrete_fields
        if field.name not in _NOT_WRITTEN
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return b64encode(bytes(value)).decode()
    return value.isoformat() if isinstance(value, datetime) else value
