"""What people and names of a domain prove themselves by: into its backup, and back (X-032).

App passwords, second factors, DKIM keys and the accounts on other servers that mail is fetched from
stand in a file of their own. Restored is what is not there; what was taken away here after the
backup was made stays away, as somebody had a reason.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from accounts import apppasswords, passwords, secondfactor
from accounts.models import AppPassword, Authenticator, User
from accounts.secondfactor import Device
from accounts.secrets import Undecipherable
from domains.errors import Refused
from domains.models import Domain
from events.models import AuditEntry
from mailhost.backup import locking
from mailhost.backup.contents import BackupError
from mailhost.backup.locking import Closed, Lock, Locked
from retrieval import carrying
from retrieval.carrying import KnownAccount
from retrieval.models import RetrievalAccount
from signing import keys
from signing.keys import KnownKey
from signing.models import SigningKey

NAME = "domain-secrets.json"
WHAT = "app passwords, second factors, signing keys and accounts on other servers"


class AppPasswordLine(msgspec.Struct, frozen=True, kw_only=True):
    """`cram_md5_state` in the clear: another server has another key."""

    user: str
    name: str
    password: str
    cram_md5_state: bytes
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None


class DeviceLine(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    device: Device


class RetrievalLine(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    account: KnownAccount


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """All of a domain."""

    app_passwords: list[AppPasswordLine] = []
    second_factors: list[DeviceLine] = []
    signing_keys: list[KnownKey] = []
    retrieval_accounts: list[RetrievalLine] = []

    @property
    def count(self) -> int:
        people = len(self.app_passwords) + len(self.second_factors) + len(self.retrieval_accounts)
        return people + len(self.signing_keys)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """`count`: how many there are, for who cannot open them."""

    count: int
    locked: Locked


@dataclass(slots=True)
class Brought:
    app_passwords: int = 0
    second_factors: int = 0
    signing_keys: int = 0
    retrieval_accounts: int = 0
    left_out: list[str] = field(default_factory=list)  # and why


def collect(domain: Domain, unreadable: list[str]) -> Secrets:
    """As they are now; what no key of this server opens is told of in `unreadable`."""
    found = Secrets(app_passwords=[], second_factors=[], signing_keys=[], retrieval_accounts=[])
    people = {"user__domain": domain, "user__recycled": None}
    for row in AppPassword.objects.filter(**people).select_related("user").order_by("pk"):
        try:
            sealed = bytes(row.cram_md5_state)
            state = passwords.open_cram_md5(sealed) if sealed else b""
        except Undecipherable:
            state = b""  # CRAM-MD5 alone works with it no more
        line = AppPasswordLine(
            user=row.user.local_part, name=row.name, password=row.password, cram_md5_state=state,
            scopes=list(row.scopes), created_at=row.created_at, last_used_at=row.last_used_at,
        )  # fmt: skip
        found.app_passwords.append(line)
    for device in Authenticator.objects.filter(**people).select_related("user").order_by("pk"):
        try:
            known = secondfactor.device_of(device)
            found.second_factors.append(DeviceLine(user=device.user.local_part, device=known))
        except Undecipherable:
            unreadable.append(f"second factor {device}: it cannot be decrypted")
    for key in SigningKey.objects.filter(domain=domain, retired_at=None).order_by("pk"):
        try:
            found.signing_keys.append(keys.known_key(key))
        except Undecipherable:
            unreadable.append(f"signing key {key}: it cannot be decrypted")
    accounts = RetrievalAccount.objects.filter(**people).select_related("user").order_by("pk")
    for account in accounts:
        try:
            known_account = carrying.known(account)
            fetched = RetrievalLine(user=account.user.local_part, account=known_account)
            found.retrieval_accounts.append(fetched)
        except Undecipherable:
            words = f"account {account} of {account.user}: its password cannot be decrypted"
            unreadable.append(words)
    return found


def write(path: Path, found: Secrets, lock: Lock, passphrase: str) -> None:
    """Into a file that is there. Raises BackupError."""
    locked = locking.close(msgspec.json.encode(found), lock, passphrase)
    path.write_bytes(msgspec.json.encode(File(count=found.count, locked=locked)) + b"\n")


def read(path: Path, passphrase: str) -> Secrets | str:
    """What is in it, or why it stays closed; of a passphrase BackupError says so.

    A backup that is older than such files has none.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=File)
    except FileNotFoundError:
        return Secrets()
    except (OSError, msgspec.DecodeError) as error:
        raise BackupError(f"{path} cannot be read: {error}") from None
    try:
        return msgspec.json.decode(locking.open_(file.locked, passphrase), type=Secrets)
    except Closed as error:
        if file.locked.lock == Lock.PASSPHRASE:
            raise BackupError(f"{WHAT}: {error}") from None
        words = f"{file.count} {WHAT}: {error}"
        return words if file.count else Secrets()
    except msgspec.DecodeError as error:
        raise BackupError(f"{path} cannot be read: {error}") from None


def bring_keys(domain: Domain, found: Secrets, was_called: str, made_at: datetime) -> Brought:
    """Those of names that the domain has: under another name it needs new records anyway."""
    done = Brought()
    if domain.name == was_called:
        retired = _taken_away(domain, "retired signing key", made_at)
        wanted = [key for key in found.signing_keys if _record_name(key) not in retired]
        for key in wanted:
            try:
                done.signing_keys += keys.bring(domain=domain, key=key, others=wanted, by=None)
            except Refused as error:
                done.left_out.append(str(error))
    return done


def bring_to_people(domain: Domain, found: Secrets, made_at: datetime) -> Brought:
    """App passwords, second factors and accounts on other servers, each to the user who had it."""
    done = Brought()
    names = {line.user for line in found.app_passwords}
    names |= {line.user for line in found.second_factors}
    names |= {line.user for line in found.retrieval_accounts}
    for name in sorted(names):
        user = User.objects.select_related("domain").filter(domain=domain, local_part=name).first()
        if user is None:
            done.left_out.append(f"what {name} proves himself by: there is no such user")
            continue
        mine = [line for line in found.app_passwords if line.user == name]
        _bring_app_passwords(user, mine, made_at, done)
        devices = [line.device for line in found.second_factors if line.user == name]
        _bring_devices(user, devices, made_at, done)
        accounts = [line.account for line in found.retrieval_accounts if line.user == name]
        _bring_accounts(user, accounts, made_at, done)
    return done


def _bring_app_passwords(
    user: User, lines: Collection[AppPasswordLine], made_at: datetime, done: Brought
) -> None:
    there = set(AppPassword.objects.filter(user=user).values_list("name", flat=True))
    there |= _taken_away(user, "removed app password", made_at) if lines else set()
    for line in lines:
        if line.name in there:
            continue
        try:
            apppasswords.store(
                user=user, name=line.name, encoded=passwords.read_app_hash(line.password),
                cram_md5_state=line.cram_md5_state, scopes=line.scopes, by=None,
                created_at=line.created_at, last_used_at=line.last_used_at,
            )  # fmt: skip
            done.app_passwords += 1
        except Refused as error:
            done.left_out.append(f"app password {line.name} of {user}: {error}")


def _bring_devices(
    user: User, devices: Collection[Device], made_at: datetime, done: Brought
) -> None:
    if not devices or _entries(user, "reset second factor", made_at):
        return
    gone = _taken_away(user, "removed second factor", made_at)
    for device in devices:
        try:
            if device.name not in gone:
                done.second_factors += secondfactor.bring(user=user, device=device, by=None)
        except Refused as error:
            done.left_out.append(f"second factor {device.name} of {user}: {error}")


def _bring_accounts(
    user: User, accounts: Collection[KnownAccount], made_at: datetime, done: Brought
) -> None:
    removed = _removed_accounts(made_at) if accounts else set()
    for account in accounts:
        leading = [account.kind, *(account.values.get(part) for part in carrying.LEADING[1:])]
        if (str(user), *map(str, leading)) in removed or carrying.is_there(user, account):
            continue
        try:
            carrying.bring(user=user, account=account, by=None)
        except Refused as error:
            done.left_out.append(f"account {account} of {user}: {error}")
        else:
            done.retrieval_accounts += 1
            if account.values.get("is_enabled"):
                words = "it is switched off, as another server may fetch from it: switch it on"
                done.left_out.append(f"account {account} of {user}: {words}")


def _removed_accounts(made_at: datetime) -> set[tuple[str, ...]]:
    """Of whom, how and whither, since the backup."""
    label = RetrievalAccount._meta.label_lower
    entries = AuditEntry.objects.filter(object_type=label, at__gt=made_at)
    return {
        tuple(str(entry.changes[part][0]) for part in ("user", *carrying.LEADING))
        for entry in entries.filter(verb="removed retrieval account")
    }


def _taken_away(subject: User | Domain, verb: str, made_at: datetime) -> set[str]:
    """The names of what was, since the backup."""
    return {
        str(old) for entry in _entries(subject, verb, made_at) for old, _ in entry.changes.values()
    }


def _entries(subject: User | Domain, verb: str, made_at: datetime) -> list[AuditEntry]:
    label = subject._meta.label_lower
    entries = AuditEntry.objects.filter(object_type=label, object_id=subject.pk)
    return list(entries.filter(verb=verb, at__gt=made_at))


def _record_name(key: KnownKey) -> str:
    return f"{key.selector}._domainkey.{key.name}"
