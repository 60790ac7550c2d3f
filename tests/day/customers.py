"""The provider's customers: what they write, and what the server will have to say of it."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from tests.crash.load import Promises, Sender
from tests.day import neighbours
from tests.day.neighbours import BABBLING, BROKEN, DARK, GATED, GONE, KIND, MUTE
from tests.running import RunningServer

PASSWORD = "correct horse battery"
ANN = "ann@steady.example"  # writes to all the world
LOUD = "loud@flood.example"  # sends more than everybody else
QUIET = "quiet@calm.example"
SAM = "sam@thrifty.example"  # whose domain may send so many messages an hour:
ALLOWED = 5
READERS = [f"reader{number}@steady.example" for number in range(4)]
PAUSE_SECONDS = 0.05

HANDED_OVER = "It was handed over on"
FAILED = "Delivery failed for good"
# The words that the trace must have of mail to each of them; the last one is its end.
WORDS: dict[str, tuple[str, ...]] = {
    **{f"pat@{name}": ("did not take it yet", HANDED_OVER) for name in BROKEN},
    "pat@grey.test": (neighbours.GREY.decode()[4:], HANDED_OVER),
    "pat@full.test": (neighbours.FULL.decode()[4:], HANDED_OVER),
    "pat@shut.test": ("closing, sorry", HANDED_OVER),
    f"pat@{BABBLING}": ("did not take it yet", HANDED_OVER),
    f"pat@{DARK}": (f"The name servers of {DARK} do not answer", HANDED_OVER),
    f"pat@{GATED}": (HANDED_OVER,),
    f"pat@{GONE}": (f"The domain {GONE} does not exist", FAILED),
    f"pat@{MUTE}": (f"The domain {MUTE} takes no mail", FAILED),
    "pat@picky.test": (HANDED_OVER,),
    "bad@picky.test": (neighbours.NO_USER.decode()[4:], FAILED),
    "pat@never.test": (neighbours.UNWANTED.decode()[4:], FAILED),
}
_numbers = count(1)


@dataclass(frozen=True)
class Letter:
    """One message that was answered 250."""

    message_id: str
    sender: str
    recipients: tuple[str, ...]


class Passer(Sender):
    """One of many senders of a busy hour; they take a breath between two messages."""

    def _send(self, smtp: smtplib.SMTP) -> None:
        super()._send(smtp)
        time.sleep(PAUSE_SECONDS)


def busy_hour(server: RunningServer, number: int) -> tuple[Promises, list[Passer]]:
    """Mail to mailboxes here and to other servers, from now on."""
    promises = Promises()
    recipients = [*READERS, *(f"visitor{number}@{KIND}" for number in range(4))]
    passers = [
        Passer(f"passer{n}", server.port("smtp"), recipients, promises, 8_000)
        for n in range(number)
    ]
    for passer in passers:
        passer.start()
    return promises, passers


@contextmanager
def logged_in(server: RunningServer, address: str) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=30) as client:
        client.starttls(context=context)
        client.login(address, PASSWORD)
        yield client


def write(client: smtplib.SMTP, sender: str, *recipients: str) -> Letter:
    name = f"letter{next(_numbers)}@{sender.partition('@')[2]}"
    text = (
        f"From: {sender}\r\nTo: {', '.join(recipients)}\r\nSubject: {name}\r\n"
        f"Message-ID: <{name}>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nHello.\r\n"
    )
    assert client.sendmail(sender, recipients, text) == {}
    return Letter(name, sender, recipients)


def write_all(server: RunningServer, sender: str, letters: Sequence[Sequence[str]]) -> list[Letter]:
    """One session of a customer's mail program."""
    with logged_in(server, sender) as client:
        return [write(client, sender, *recipients) for recipients in letters]


def site(gateway: str, port: int) -> str:
    """The provider's file: who is a customer, who may send how much, and the gateway."""
    domains = []
    for address in (ANN, LOUD, QUIET, SAM):
        name, _, domain = address.partition("@")
        users = [name, *(r.partition("@")[0] for r in READERS if r.endswith(f"@{domain}"))]
        rows = "".join(f"      - {{username: {user}, password: {PASSWORD}}}\n" for user in users)
        domains.append(
            f"  - name: {domain}\n    admin: {{username: admin, password: {PASSWORD}}}\n"
            f"    users:\n{rows}"
        )
        if address == SAM:
            limit = f"outgoing_messages_per_hour: {ALLOWED}"
            domains.append(
                f"    throttling: {{{limit}, outgoing_messages_per_hour_enabled: true}}\n"
            )
    return (
        "relay_networks: [127.0.0.0/8]\n"
        f"gateways:\n  - {{name: smart, host: {gateway}, port: {port}, domains: [{GATED}]}}\n"
        f"domains:\n{''.join(domains)}"
    )
