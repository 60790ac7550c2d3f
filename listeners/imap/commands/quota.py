"""GETQUOTA, GETQUOTAROOT, SETQUOTA. RFC 9208."""

from __future__ import annotations

from listeners import bridge
from listeners.imap.carriers import Answer, carries_out
from listeners.imap.commands.select import NO_FOLDER
from listeners.imap.lookup import find_folder
from listeners.imap.session import Session
from mailboxes import quota
from protocols.imap import commands
from protocols.imap.responses import Quota, QuotaRoot, no, ok

ROOT = ""  # one for all folders of a mailbox
_KIBIBYTE = 1024  # RFC 9208 §5.1: STORAGE counts these

_NO_ROOT = no("There is no such quota root", b"NONEXISTENT")
_NOT_PERMITTED = no("Quotas are set by the administrator", b"NOPERM")


@carries_out(commands.GetQuota)
async def get_quota(session: Session, command: commands.GetQuota) -> Answer:
    if command.root != ROOT:
        return _NO_ROOT
    await _send_quota(session)
    return ok("GETQUOTA completed")


@carries_out(commands.GetQuotaRoot)
async def get_quota_root(session: Session, command: commands.GetQuotaRoot) -> Answer:
    assert session.account is not None
    entry = await find_folder(session.account.account_id, command.folder)
    if entry is None:
        return NO_FOLDER
    session.send(QuotaRoot(command.folder, [ROOT]).encode())
    await _send_quota(session)
    return ok("GETQUOTAROOT completed")


@carries_out(commands.SetQuota)
async def set_quota(session: Session, command: commands.SetQuota) -> Answer:
    return _NOT_PERMITTED


async def _send_quota(session: Session) -> None:
    assert session.account is not None
    used, allowed = await bridge.ask(quota.usage, session.account)
    resources = []
    if allowed is not None:
        resources.append(("STORAGE", -(-used // _KIBIBYTE), allowed // _KIBIBYTE))
    session.send(Quota(ROOT, resources).encode())
