"""Addresses to what they lead to, and accounts to their settings, from this process's memory."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import AliasTarget, LocalPart, ResellerPlan, Role, Status, User, UserAlias
from accounts.settings import CAPS
from domains import directory as domain_directory
from domains.directory import Memory
from domains.policy import MEGABYTE, DomainPolicy, Throttling, read_throttling
from protocols.address import MalformedAddress, fold, parse_domain

Kind = LocalPart.Kind


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    """A mailbox user as the listeners and the spool see him."""

    account_id: int
    domain_id: int
    local_part: str
    full_name: str
    status: Status
    quota_bytes: int | None  # None: only the domain's limit holds
    plus_addressing: bool
    disable_greylisting: bool
    pop_access: bool
    imap_access: bool
    smtp_access: bool
    webmail_access: bool
    version: int
    throttling: Throttling
    forward_to: tuple[str, ...] = ()  # U-036; no forwards: ()
    keep_forwarded: bool = True

    @property
    def receives(self) -> bool:
        return self.status != Status.DISABLED


@dataclass(frozen=True, slots=True)
class SpaceCap:
    """What the plan of a domain's reseller allows over all his domains together (X-011)."""

    reseller_id: int
    allowed_bytes: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where an alias leads: `account_id`, or `local_part` at `domain_name`."""

    account_id: int | None
    local_part: str
    domain_name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a local part of a domain leads to."""

    kind: Kind
    object_id: int
    targets: tuple[Target, ...] = ()  # of an alias
    internal_only: bool = False
    may_send_as: bool = False
    takes_reports: bool = False  # a catch-all that mail from the null sender passes, too


# The second number makes a changed domain's entries unreachable without a search for them.
_entries: Memory[tuple[int, int, str], Entry | None] = Memory(limit=500_000)
_domain_versions: dict[int, int] = {}
_accounts: Memory[int, AccountPolicy | None] = Memory(limit=500_000)
_administrators: Memory[int, int | None] = Memory(limit=10_000)
_caps: Memory[int, SpaceCap | None] = Memory(limit=10_000)


def lookup(domain_id: int, local_part: str, *, cached_only: bool = False) -> Entry | None:
    """What the local part (folded) stands for; `*` asks for the catch-all. None: nothing."""
    key = (domain_id, _domain_versions.get(domain_id, 0), local_part)
    return _entries.ask(key, _read_entry, cached_only=cached_only)


def account(account_id: int, *, cached_only: bool = False) -> AccountPolicy | None:
    return _accounts.ask(account_id, _read_account, cached_only=cached_only)


def primary_administrator(domain_id: int, *, cached_only: bool = False) -> int | None:
    """The account that gets a domain's warnings and its postmaster's mail."""
    return _administrators.ask(domain_id, _read_administrator, cached_only=cached_only)


def space_cap(domain_id: int, *, cached_only: bool = False) -> SpaceCap | None:
    """None: the domain's own limit is all that holds."""
    return _caps.ask(domain_id, _read_cap, cached_only=cached_only)


def server_space(*, cached_only: bool = False) -> int | None:
    """Bytes for the mail of all domains together (X-011); None: no cap."""
    return CAPS.read(cached_only=cached_only).disk_space_mb * MEGABYTE or None


def address(policy: AccountPolicy, domain: DomainPolicy) -> str:
    """The account's own address, by the domain's primary name."""
    return f"{policy.local_part}@{domain.name}"


def login(
    name: str, *, local_ip: str | None, only_domain: int | None = None, cached_only: bool = False
) -> AccountPolicy | None:
    """The mailbox user who logs in as `name` (N-010).

    `only_domain`: the one domain of the endpoint, whose users may leave the domain out.
    """
    local_part, _, domain_name = name.strip().rpartition("@")
    if local_part:
        try:
            domain_name = parse_domain(domain_name)
        except MalformedAddress:
            return None
        domain = domain_directory.by_name(domain_name, cached_only=cached_only)
    elif only_domain is not None:
        local_part = domain_name
        domain = domain_directory.policy(only_domain, cached_only=cached_only)
    else:
        return None
    if domain is None or not domain.listens_on(local_ip):
        return None
    entry = lookup(domain.domain_id, fold(local_part), cached_only=cached_only)
    if entry is None or entry.kind != Kind.USER:
        return None
    return account(entry.object_id, cached_only=cached_only)


def forget(account_id: int) -> None:
    """Called for each note on Topic.ACCOUNT."""
    _accounts.forget(account_id)


def forget_domain(domain_id: int) -> None:
    """Called for each note on Topic.DOMAIN: its addresses may have changed."""
    _domain_versions[domain_id] = _domain_versions.get(domain_id, 0) + 1
    _administrators.forget(domain_id)
    _caps.forget(domain_id)


def forget_caps() -> None:
    """Called for each note on Topic.SETTINGS: a plan may have changed."""
    _caps.clear()


def clear() -> None:
    _entries.clear()
    _accounts.clear()
    _administrators.clear()
    _caps.clear()


def _read_entry(key: tuple[int, int, str]) -> Entry | None:
    domain_id, _, local_part = key
    row = LocalPart.objects.filter(domain_id=domain_id, local_part=local_part).first()
    if row is None:
        return None
    if row.kind != Kind.ALIAS:
        return Entry(Kind(row.kind), row.object_id)
    alias = UserAlias.objects.filter(pk=row.object_id).first()
    if alias is None:
        return None
    targets = AliasTarget.objects.filter(alias=alias).order_by("pk")
    return Entry(
        Kind.ALIAS,
        alias.pk,
        tuple(Target(t.account_id, t.local_part, t.domain_name) for t in targets),
        internal_only=alias.internal_only,
        may_send_as=alias.may_send_as,
        takes_reports=alias.takes_reports,
    )


def _read_account(account_id: int) -> AccountPolicy | None:
    user = User.objects.filter(pk=account_id, domain__isnull=False).first()
    if user is None or user.domain_id is None:
        return None
    return AccountPolicy(
        account_id=user.pk,
        domain_id=user.domain_id,
        local_part=user.local_part,
        full_name=user.full_name,
        status=Status(user.status),
        quota_bytes=user.mailbox_size_mb * MEGABYTE or None,
        plus_addressing=user.plus_addressing,
        disable_greylisting=user.disable_greylisting,
        pop_access=user.pop_access,
        imap_access=user.imap_access,
        smtp_access=user.smtp_access,
        webmail_access=user.webmail_access,
        version=user.version,
        throttling=read_throttling(user),
        forward_to=tuple(user.forward_to),
        keep_forwarded=user.keep_forwarded,
    )


def _read_administrator(domain_id: int) -> int | None:
    return (
        User.objects.filter(domain_id=domain_id, role=Role.DOMAIN_ADMINISTRATOR)
        .order_by("-is_primary_administrator", "pk")
        .values_list("pk", flat=True)
        .first()
    )


def _read_cap(domain_id: int) -> SpaceCap | None:
    row = (
        ResellerPlan.objects.filter(reseller__owned__domain_id=domain_id, plan__disk_space_mb__gt=0)
        .values_list("reseller_id", "plan__disk_space_mb")
        .first()
    )
    return None if row is None else SpaceCap(row[0], row[1] * MEGABYTE)
