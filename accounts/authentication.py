"""Prove who you are: the same rules behind every door, and one answer for every failure (N-011).

Whether the account may come in at all is asked after the proof, never before it, and an unknown
name costs as much time as a wrong password: nothing tells a stranger which addresses exist.
"""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import structlog
from django.contrib.auth.hashers import make_password

from accounts import activity, directory, passwords, secondfactor, secrets, watching
from accounts.directory import AccountPolicy
from accounts.errors import WrongCredentials
from accounts.models import AppPassword, Role, Status, User
from accounts.proofs import Proofs
from accounts.settings import LOGIN, LONGEST_PASSWORD
from domains import directory as domain_directory
from domains.directory import Cold
from protocols import hmac_md5, scram
from protocols.scram import ScramKeys

__all__ = [
    "WrongCredentials",
    "accept",
    "check_cached",
    "check_password",
    "check_person",
    "cram_md5_state",
    "scram_keys",
]

log = structlog.get_logger()

# Service to the switch that a domain administrator has for it (U-020…U-023). The directory and
# the sync protocols follow webmail's.
ACCESS = {
    "smtp": "smtp_access",
    "imap": "imap_access",
    "pop": "pop_access",
    "webmail": "webmail_access",
    "ldap": "webmail_access",
    "dav": "webmail_access",
}

WITH_SECOND_FACTOR = ("webmail",)

# Of the key that salts of unknown names are made with.
SALTS_PURPOSE = "scram salts"

_proofs = Proofs()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One log-in, for the log and the rules; passwords are never in it."""

    login: str
    service: str
    local_ip: str | None
    client_address: str = ""
    only_domain: int | None = None

    def find(self, *, cached_only: bool = False) -> AccountPolicy | None:
        """The mailbox user of that name on this endpoint (N-010, D-033)."""
        return directory.login(
            self.login,
            local_ip=self.local_ip,
            only_domain=self.only_domain,
            cached_only=cached_only,
        )


def check_password(
    login: str,
    password: str,
    *,
    service: str,
    local_ip: str | None,
    now: datetime,
    client_address: str = "",
    only_domain: int | None = None,
) -> AccountPolicy:
    """The account of that name and password. Slow: in a thread. Raises WrongCredentials.

    `local_ip` None: by the web, which no domain's IP address binds. `only_domain`: the one domain
    of the endpoint, whose users may leave it out.
    """
    attempt = Attempt(login, service, local_ip, client_address, only_domain)
    account = attempt.find()
    if account is not None:
        known = _proofs.find(account.account_id, account.version, password)
        if known is not None:
            return _admit(attempt, account, known.scopes, now)
    scopes = _prove(account, password)
    if account is None or scopes is None:
        raise _refuse(attempt, "no such user" if account is None else "wrong password")
    _proofs.keep(account.account_id, account.version, password, scopes)
    return _admit(attempt, account, scopes, now)


def check_cached(
    login: str,
    password: str,
    *,
    service: str,
    local_ip: str | None,
    client_address: str = "",
    only_domain: int | None = None,
) -> AccountPolicy | None:
    """The same at once, if this process has seen it lately; None: ask `check_password`."""
    attempt = Attempt(login, service, local_ip, client_address, only_domain)
    try:
        account = attempt.find(cached_only=True)
        if account is None or activity.is_due(account.account_id):
            return None
        known = _proofs.find(account.account_id, account.version, password)
        if known is None or _obstacle(attempt, account, known.scopes, cached_only=True):
            return None
    except Cold:
        return None
    return account


def scram_keys(
    login: str,
    *,
    service: str,
    local_ip: str | None,
    client_address: str = "",
    only_domain: int | None = None,
) -> ScramKeys:
    """What SCRAM needs of the account. Keys that never fit for whoever has none."""
    account = Attempt(login, service, local_ip, client_address, only_domain).find()
    user = User.objects.filter(pk=account.account_id).first() if account else None
    keys = passwords.scram_keys(user) if user is not None else None
    if user is not None and keys is not None and not secondfactor.has_one(user):
        return keys
    # A lasting secret: the salt of an unknown name does not change between two questions either.
    oldest = secrets.derivations(SALTS_PURPOSE)[-1]
    return scram.fake_keys(login.strip().lower(), secret=oldest)


def cram_md5_state(
    login: str,
    *,
    service: str,
    local_ip: str | None,
    client_address: str = "",
    only_domain: int | None = None,
) -> bytes:
    """What CRAM-MD5 needs of the account. A state that never fits for whoever has none."""
    account = Attempt(login, service, local_ip, client_address, only_domain).find()
    sealed = _sealed_state(account, service) if account and LOGIN.read().cram_md5 else b""
    try:
        return passwords.open_cram_md5(sealed)
    except secrets.Undecipherable:
        if sealed:
            log.error("cram-md5 state was sealed with another server key", login=login)
        return random_secrets.token_bytes(hmac_md5.STATE_BYTES)


def accept(
    login: str,
    *,
    is_proven: bool,
    service: str,
    local_ip: str | None,
    now: datetime,
    client_address: str = "",
    only_domain: int | None = None,
) -> AccountPolicy:
    """The account after a proof made with its keys. Raises WrongCredentials."""
    attempt = Attempt(login, service, local_ip, client_address, only_domain)
    account = attempt.find()
    if account is None or not is_proven:
        raise _refuse(attempt, "no such user" if account is None else "wrong proof")
    return _admit(attempt, account, (), now)


def check_person(login: str, password: str, *, client_address: str, now: datetime) -> User:
    """A system administrator or a reseller, by the web only. Raises WrongCredentials."""
    attempt = Attempt(login, "web", None, client_address)
    user = User.objects.filter(domain=None, local_part=login.strip().lower()).first()
    is_right = passwords.verify(password, user.password if user else _made_up_hash())
    if user is None or not is_right:
        raise _refuse(attempt, "no such user" if user is None else "wrong password")
    if user.status != Status.ENABLED:
        raise _refuse(attempt, "account disabled")
    assert user.role in (Role.SYSTEM_ADMINISTRATOR, Role.RESELLER)
    activity.note(user.pk, service="web", client_address=client_address, now=now)
    return user


def admit_to_web(user: User, *, client_address: str, now: datetime) -> None:
    """After a proof made elsewhere: the same rules as with a password. Raises WrongCredentials."""
    if user.domain is None:
        if user.status != Status.ENABLED:
            raise _refuse(Attempt(str(user), "web", None, client_address), "account disabled")
        activity.note(user.pk, service="web", client_address=client_address, now=now)
        return
    address = f"{user.local_part}@{user.domain.name}"
    attempt = Attempt(address, "webmail", None, client_address)
    account = attempt.find()
    if account is None or account.account_id != user.pk:
        raise _refuse(attempt, "no such user")
    _admit(attempt, account, (), now)


def forget_all() -> None:
    """What this process remembers of recent log-ins."""
    _proofs.clear()
    activity.clear()


def _prove(account: AccountPolicy | None, password: str) -> tuple[str, ...] | None:
    """The scopes that come with the password (none: all services); None: it is wrong."""
    user = User.objects.filter(pk=account.account_id).first() if account else None
    has_hash = user is not None and user.has_usable_password()
    encoded = user.password if user is not None and has_hash else _made_up_hash()
    if len(password) > LONGEST_PASSWORD:
        passwords.verify("", encoded)
        return None
    if passwords.verify(password, encoded) and user is not None and has_hash:
        _complete(user, password)
        # U-015: with a second factor the password alone opens web pages only, which ask for it.
        return WITH_SECOND_FACTOR if secondfactor.has_one(user) else ()
    if user is None:
        return None
    for row in user.app_passwords.all():
        if passwords.fits_app_password(row.password, password):
            return tuple(row.scopes)
    return None


def _admit(
    attempt: Attempt, account: AccountPolicy, scopes: Sequence[str], now: datetime
) -> AccountPolicy:
    """Raises WrongCredentials, after the proof was right."""
    obstacle = _obstacle(attempt, account, scopes)
    if obstacle:
        raise _refuse(attempt, obstacle)
    activity.note(
        account.account_id,
        service=attempt.service,
        client_address=attempt.client_address,
        now=now,
    )
    return account


def _obstacle(
    attempt: Attempt, account: AccountPolicy, scopes: Sequence[str], *, cached_only: bool = False
) -> str:
    """Why the account may not come in by this service; empty: it may."""
    domain = domain_directory.policy(account.domain_id, cached_only=cached_only)
    if domain is None or domain.is_disabled or domain.is_closed:
        return "domain disabled"
    if account.status != Status.ENABLED:
        return "account disabled"
    # D-066: without control of service access everybody has all services.
    is_controlled = domain.features.service_access_control
    if is_controlled and not getattr(account, ACCESS[attempt.service]):
        return "no access to the service"
    if scopes and attempt.service not in scopes:
        return "app password is not for the service"
    return ""


def _refuse(attempt: Attempt, reason: str) -> WrongCredentials:
    """The reason stays here: it goes to the log and to nobody else."""
    watching.tell_of_failure(attempt.login[:320], attempt.service, attempt.client_address)
    log.info(
        "log-in refused",
        login=attempt.login[:320],
        service=attempt.service,
        client_address=attempt.client_address,
        reason=reason,
    )
    return WrongCredentials()


def _complete(user: User, password: str) -> None:
    """Make the verifiers that are missing, now that the password is here (N-012)."""
    needs_state = LOGIN.read().cram_md5 and not user.cram_md5_state
    if user.scram_iterations and not needs_state:
        return
    columns = passwords.derive(password, encoded=user.password).columns()
    if user.scram_iterations:
        columns = {"cram_md5_state": columns["cram_md5_state"]}
    # Only if the password is still the same: it may have been set anew meanwhile.
    User.objects.filter(pk=user.pk, password=user.password).update(**columns)


def _sealed_state(account: AccountPolicy, service: str) -> bytes:
    user = User.objects.filter(pk=account.account_id).first()
    if user is not None and user.cram_md5_state and not secondfactor.has_one(user):
        return bytes(user.cram_md5_state)
    for row in AppPassword.objects.filter(user=account.account_id).order_by("pk"):
        if row.cram_md5_state and (not row.scopes or service in row.scopes):
            return bytes(row.cram_md5_state)
    return b""


@lru_cache(maxsize=1)
def _made_up_hash() -> str:
    return make_password(random_secrets.token_urlsafe(24))
