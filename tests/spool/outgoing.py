"""A running spool manager on a real database, and mail for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async

from accounts import directory as account_directory
from blobs import committer
from domains import directory as domain_directory
from mailboxes import quota
from mailinglists import directory as list_directory
from protocols.address import Address
from spool import gatewaychoice, intake, mx, relaydomains, routing, settings, singly
from spool.agents.remote import RemoteSettings
from spool.manager import Manager
from spool.models import DeliveryAttempt, Origin, SpooledMessage, SpooledRecipient, State
from spool.resolver import Resolver
from spool.routing import Question
from switchboard.subscribe import Switchboard
from tests.dns_server import DnsServer

MESSAGE = (
    b"From: Alice <alice@one.example>\r\nTo: bob@far.test\r\nSubject: Hello\r\n"
    b"Message-ID: <1@one.example>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nHi.\r\n"
)


def forget_everything() -> None:
    for forget in (
        domain_directory.clear,
        account_directory.clear,
        list_directory.clear,
        settings.forget,
        quota.forget,
        gatewaychoice.forget,
        relaydomains.forget,
        singly.forget,
    ):
        forget()


def submit(
    *recipients: str, sender: str = "alice@one.example", body: bytes = MESSAGE, **given
) -> int:
    """Hand a message to the spool as a listed network does; its id."""
    asked = {"notify": given.pop("notify", ""), "orcpt": given.pop("orcpt", "")}
    opened = intake.begin(
        sender=sender,
        origin=given.pop("origin", Origin.RELAY),
        client=intake.Client(address="192.0.2.7", greeting="pc.one.example"),
        domain=domain_directory.by_name(sender.rpartition("@")[2]),
        **given,
    )
    for recipient in recipients:
        address = Address.parse(recipient)
        resolution = routing.resolve(address, Question(sender, may_relay=True))
        opened.add_recipient(address, resolution, **asked)
    opened.write(body)
    return opened.commit_now()


submit_async = sync_to_async(submit, thread_sensitive=False)


@contextlib.asynccontextmanager
async def running_manager(
    dns: DnsServer, *, port: int, is_paused: bool = False, **settings_given
) -> AsyncIterator[Manager]:
    """A manager whose domains' servers are asked of `dns` and listen on `port`."""
    from django.conf import settings as conf

    board = Switchboard()
    await board.start()
    remote = RemoteSettings(
        helo="mx.one.example",
        resolver=Resolver([dns.address]),
        ourselves=mx.NOBODY,
        **settings_given,
    )
    before, conf.MAILHOST_OUTGOING_PORT = conf.MAILHOST_OUTGOING_PORT, port
    manager = Manager(board, remote=remote)
    await manager.start(is_paused=is_paused)
    try:
        yield manager
    finally:
        await manager.stop(2.0)
        conf.MAILHOST_OUTGOING_PORT = before
        await board.stop()


async def until(condition, *, seconds: float = 30.0) -> None:
    """Wait for rows to say something."""
    ask = sync_to_async(condition, thread_sensitive=False)
    for _ in range(int(seconds / 0.02)):
        if await ask():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"never became true: {condition}")


def states(message_id: int) -> dict[str, str]:
    """Address to the name of the state of its recipient."""
    rows = SpooledRecipient.objects.filter(message_id=message_id)
    return {row.address: State(row.state).name for row in rows}


def is_settled(message_id: int) -> bool:
    """Nobody of the message is being worked on, and everybody has been tried."""
    rows = SpooledRecipient.objects.filter(message_id=message_id)
    return all(row.claimed_by is None and row.state != State.QUEUED for row in rows)


async def settled(message_id: int) -> dict[str, str]:
    await until(lambda: is_settled(message_id))
    return await sync_to_async(states, thread_sensitive=False)(message_id)


def attempts(message_id: int) -> list[DeliveryAttempt]:
    rows = DeliveryAttempt.objects.filter(recipient__message_id=message_id)
    return list(rows.order_by("recipient_id", "number"))


def message(message_id: int) -> SpooledMessage:
    return SpooledMessage.objects.get(pk=message_id)


def in_thread(function):
    return sync_to_async(function, thread_sensitive=False)


def stop_committer() -> None:
    committer.stop_process_committer()
