"""Backup of one domain while the server runs, and restoring it into this server or another.

The folder is as a domain's own folder: a manifest of settings, people and addresses, an index of
its mail, and segments with the bytes. Copied over the folder of a domain it is what Reload reads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import DatabaseError

from accounts import provisioning
from accounts.models import Role
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from administration import reloading
from administration.reloading import Reloaded
from blobs import exporting, keeping
from blobs.errors import StoreError
from blobs.ids import encode_id
from blobs.snapshot import one_moment
from domains import selectors
from domains.models import Domain
from domains.names import read_name
from jobs.progress import Progress
from mailboxes import index, indexing, manifest
from mailboxes.manifest import ManifestBroken
from mailboxes.models import Message
from mailhost.backup import contents, domainsecrets, files, locking, taking
from mailhost.backup.contents import OF_DOMAIN, BackupError, Said
from mailhost.backup.domainsecrets import Brought, Secrets
from mailhost.backup.locking import Lock

Tell = Callable[[str], None]


class DomainContents(Said, frozen=True, kw_only=True):
    """What `domain-backup.json` says."""

    domain: str
    messages: int
    damaged: list[str]  # records and secrets that could not be read, and why


@dataclass(slots=True)
class RestoredDomain(Reloaded):
    """What reloading has done, and what came back beside it; `left_out` says why something not."""

    app_passwords_added: int = 0
    second_factors_added: int = 0
    signing_keys_added: int = 0
    retrieval_accounts_added: int = 0
    left_out: list[str] = field(default_factory=list)

    def count(self, brought: Brought) -> None:
        self.app_passwords_added += brought.app_passwords
        self.second_factors_added += brought.second_factors
        self.signing_keys_added += brought.signing_keys
        self.retrieval_accounts_added += brought.retrieval_accounts
        self.left_out += brought.left_out


def take(
    name: str,
    folder: Path,
    *,
    now: datetime,
    lock: Lock = Lock.SERVER_KEY,
    passphrase: str = "",
    tell: Tell = lambda words: None,
) -> DomainContents:
    """Copy a domain, as it is at one moment, with the bytes of all its mail, into a new folder.

    `lock`: what will open the secrets of its people and names. Raises BackupError,
    DomainNotFound and its like; what was copied until then is removed.
    """
    if lock == Lock.PASSPHRASE:
        locking.require_long(passphrase)
    domain = selectors.by_own_name(name)
    folder = folder.absolute()
    taking.make(folder)
    try:
        with keeping.all_kept():
            return _take(domain, folder, now, lock, passphrase, tell)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError | StoreError):
            raise BackupError(f"the backup failed: {contents.in_words(error)}") from error
        raise


def _take(
    domain: Domain, folder: Path, now: datetime, lock: Lock, passphrase: str, tell: Tell
) -> DomainContents:
    tell("reading settings, people and folders")
    unreadable: list[str] = []
    # No seal: wherever it is read, by this server too, it is news.
    with one_moment(), _created(folder / index.NAME) as file:
        (folder / manifest.NAME).write_bytes(manifest.build(domain, is_sealed=False))
        index.write_lines(file, indexing.lines_of(domain, now=now), domain_id=None)
        secrets = domainsecrets.collect(domain, unreadable)
        places = indexing.places_of(domain)
        messages = Message.objects.filter(
            folder__account__domain=domain, folder__account__recycled=None
        ).count()
    (folder / manifest.NAME).chmod(0o600)
    _created(folder / domainsecrets.NAME).close()
    domainsecrets.write(folder / domainsecrets.NAME, secrets, lock, passphrase)
    tell(f"copying the mail ({messages:,} messages)")
    copied = exporting.export(places, folder)
    all_files = list(files.plain_files(folder))
    for path in all_files:
        files.sync(path)
    damaged = [f"{encode_id(key)}: {reason}" for key, reason in sorted(copied.damaged.items())]
    made = DomainContents(
        made_at=now,
        hostname=settings.MAILHOST_HOSTNAME,
        domain=domain.name,
        messages=messages,
        files=len(all_files),
        size_bytes=sum(path.stat().st_size for path in all_files),
        damaged=unreadable + damaged,
    )
    contents.write_file(folder / OF_DOMAIN, made)
    files.sync(folder / OF_DOMAIN)
    files.sync_folders(folder)
    return made


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def read(folder: Path) -> DomainContents:
    """Raises BackupError."""
    absent = "no backup of a domain, or was not finished"
    return contents.read_file(folder / OF_DOMAIN, DomainContents, absent=absent)


def restore(
    name: str,
    folder: Path,
    progress: Progress | None = None,
    *,
    passphrase: str = "",
    is_without_secrets: bool = False,
) -> tuple[DomainContents, RestoredDomain]:
    """Bring a domain back, under its name or another; a domain that is there gets what it lacks.

    The server may run. The folder is only read, so it can be done again. Raises BackupError and
    what opening a domain raises.
    """
    try:
        return _restore(name, folder.absolute(), progress, passphrase, is_without_secrets)
    except (StoreError, OSError, DatabaseError) as error:
        raise BackupError(
            f"restoring stopped: {contents.in_words(error)}. What came back stays, and the same"
            " command goes on with the rest"
        ) from error


def _restore(
    name: str, folder: Path, progress: Progress | None, passphrase: str, is_without_secrets: bool
) -> tuple[DomainContents, RestoredDomain]:
    found = read(folder)
    secrets: Secrets | str = Secrets()
    if not is_without_secrets:
        secrets = domainsecrets.read(folder / domainsecrets.NAME, passphrase)
    hosted = read_name(name).name
    if not Domain.objects.filter(name=hosted).exists():
        _open(hosted, folder)
    domain = selectors.by_own_name(hosted)
    progress = progress or Progress(job_id=0)
    if isinstance(secrets, str):
        done = RestoredDomain(**asdict(reloading.run(progress, domain, by=None, source=folder)))
        done.left_out.append(secrets)
        return found, done
    # At once: a domain that signs and has no keys soon gets new ones.
    early = domainsecrets.bring_keys(domain, secrets, found.domain, found.made_at)
    done = RestoredDomain(**asdict(reloading.run(progress, domain, by=None, source=folder)))
    done.signing_keys_added = early.signing_keys
    # Now that its aliases and users are there.
    done.count(domainsecrets.bring_keys(domain, secrets, found.domain, found.made_at))
    done.count(domainsecrets.bring_to_people(domain, secrets, found.made_at))
    return found, done


def _open(name: str, folder: Path) -> None:
    """With its administrator alone; what else the manifest says is imported by reloading."""
    try:
        said = manifest.read((folder / manifest.NAME).read_bytes())
    except (ManifestBroken, OSError) as error:
        raise BackupError(f"the manifest cannot be read: {error}") from None
    row = _administrator(said.get("users"))
    try:
        administrator = NewUser(
            username=str(row["local_part"]), verifiers=reloading.verifiers_of(row)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BackupError(f"the manifest has a broken administrator: {error}") from None
    provisioning.open_domain(new=NewDomain(name=name, administrator=administrator), by=None)


def _administrator(users: Any) -> dict[str, Any]:
    rows = [row for row in users if isinstance(row, dict)] if isinstance(users, list) else []
    for condition in (
        lambda row: row.get("is_primary_administrator") is True,
        lambda row: row.get("role") == Role.DOMAIN_ADMINISTRATOR,
    ):
        for row in rows:
            if condition(row):
                return row
    raise BackupError("the manifest has no administrator: open the domain first")
