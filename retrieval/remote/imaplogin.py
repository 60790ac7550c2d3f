"""The way into an IMAP server: greeting, encryption, capabilities, log-in. RFC 3501 §6.1, §6.2."""

from __future__ import annotations

from base64 import b64encode

from protocols import sasl_client
from protocols.imap.answers import Capability
from protocols.imap.client import astring
from protocols.imap.responses import Condition
from retrieval.remote import connecting
from retrieval.remote.errors import LoginRefused, RemoteFailed, Stage, said
from retrieval.remote.imapdialogue import ImapDialogue
from retrieval.remote.server import Security
from retrieval.remote.session import Refusal

# RFC 5530 §3, RFC 9051 §7.1: nothing is wrong with the password.
TEMPORARY_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"})


async def enter(session: ImapDialogue) -> None:
    """From the greeting to the state in which folders are seen. Raises RemoteFailed."""
    security = session.remote.security
    if security is Security.TLS:
        await connecting.start_tls(session.wire, session.remote)
    greeting = await session.greeted()
    if greeting.condition is Condition.PREAUTH:
        # RFC 9051 §11.1: nobody has said yet who we are, and STARTTLS is not possible any more.
        raise RemoteFailed("The server let us in before anybody had logged in.", Stage.CONNECT)
    if greeting.condition is not Condition.OK:
        text = f"The server does not serve us now: {said(greeting.text)}"
        raise RemoteFailed(text, Stage.CONNECT)
    await _learn(session)
    if security is Security.STARTTLS:
        await _start_tls(session)
        await _learn(session)  # RFC 3501 §6.2.1: what was learnt in clear is forgotten
    await _log_in(session)
    await _learn(session)
    if "ID" in session.capabilities:
        # RFC 2971. Some large providers open no folder to a client without a name.
        await session.do(Stage.LOGIN, "The server took no name", b'ID ("name" "MailHost")')


async def _learn(session: ImapDialogue) -> None:
    session.capabilities = frozenset()
    failure = "The server does not say what it can do"
    async with session.asking(Stage.CONNECT, failure, b"CAPABILITY") as answers:
        async for answer in answers:
            if isinstance(answer, Capability):
                session.capabilities = answer.names


async def _start_tls(session: ImapDialogue) -> None:
    if "STARTTLS" not in session.capabilities:
        raise RemoteFailed("The server does not offer encryption by STARTTLS.", Stage.TLS)
    await session.do(Stage.TLS, "The server did not begin encryption", b"STARTTLS")
    session.require_nothing_more()
    await connecting.start_tls(session.wire, session.remote)


async def _log_in(session: ImapDialogue) -> None:
    try:
        await _prove(session)
    except Refusal as refusal:
        words = said(refusal.words)
        if refusal.code in TEMPORARY_CODES:
            text = f"The server does not open the mailbox now: {words}"
            raise RemoteFailed(text, Stage.LOGIN) from None
        raise LoginRefused(f"The server refused name or password: {words}") from None


async def _prove(session: ImapDialogue) -> None:
    remote = session.remote
    offered = {
        name.removeprefix("AUTH=") for name in session.capabilities if name.startswith("AUTH=")
    }
    mechanism = sasl_client.choose(offered, is_encrypted=remote.is_encrypted)
    if remote.is_encrypted:
        # Every server knows its passwords this way; the others are for lines that are heard.
        mechanism = "PLAIN" if "PLAIN" in offered else None
    if mechanism is not None:
        exchange = sasl_client.begin(mechanism, remote.username, remote.password)
        words = [b"AUTHENTICATE " + mechanism.encode("ascii")]
        if "SASL-IR" in session.capabilities and exchange.initial is not None:
            words.append(b" " + (b64encode(exchange.initial) or b"="))  # RFC 4959 §3
        await session.prove(*words, exchange=exchange)
    elif "LOGINDISABLED" in session.capabilities:  # RFC 3501 §6.2.3
        hint = "" if remote.is_encrypted else " It may do so with encryption."
        text = f"The server offers no way to log in by a password.{hint}"
        raise RemoteFailed(text, Stage.LOGIN)
    else:
        username, password = remote.username.encode(), remote.password.encode()
        await session.prove(b"LOGIN ", astring(username), b" ", astring(password))
