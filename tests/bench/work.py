"""Every work that is measured, by name; each takes a system and returns a Measurement."""

from __future__ import annotations

import itertools
import poplib
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from tests.bench import processes, sample, smtp_load
from tests.bench.imap_client import ImapClient, run_scripts
from tests.bench.measure import Measurement, measured
from tests.bench.systems import (
    ACCOUNTS,
    PASSWORD,
    System,
    Unverified,
    address,
    unverified_tls,
)

FOLDER_MESSAGES = 500
IDLE_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class Work:
    """A row of the table; `run(system, scale)` does it once, smaller with --quick (0.2)."""

    name: str
    unit: str
    goal: str
    run: Callable[[System, float], Measurement]


def intake(
    sessions: int, message_bytes: int, messages: int, *, keep: bool = True
) -> Callable[[System, float], Measurement]:
    def run(system: System, scale: float) -> Measurement:
        number = max(int(messages * scale), sessions) // sessions * sessions
        recipients = system.fresh_addresses(min(sessions, smtp_load.GENERATORS))
        with closing(smtp_load.Arrivals(system, recipients)) as arrivals:

            def work() -> int:
                sent = smtp_load.send(
                    system,
                    recipients,
                    messages=number,
                    sessions=sessions,
                    message_bytes=message_bytes,
                    keep_connections=keep,
                )
                arrivals.wait_for(sent)
                return sum(sent.values())

            return measured(system, work)

    return run


def relay(system: System, scale: float) -> Measurement:
    with smtp_load.sink(system) as sink:

        def work() -> int:
            addresses = smtp_load.outside_addresses(10)
            number = int(2000 * scale)
            sent = smtp_load.send(
                system, addresses, messages=number, sessions=10, message_bytes=2048
            )
            sink.wait_for(sum(sent.values()))
            return sum(sent.values())

        return measured(system, work)


def drain(system: System, scale: float) -> Measurement:
    """Fill the spool while nobody listens at the next hop, then let it go."""
    addresses = smtp_load.outside_addresses(10)
    number = int(3000 * scale)
    smtp_load.send(system, addresses, messages=number, sessions=10, message_bytes=2048)
    processes.wait_until_quiet(*system.roots, at_most_seconds=60)
    if (waiting := system.deferred()) != number:
        raise Unverified(f"{system.name}: {waiting} deferred of {number}")
    with smtp_load.sink(system) as sink:

        def work() -> int:
            system.flush()
            sink.wait_for(number)
            return number

        return measured(system, work)


def reader(system: System) -> ImapClient:
    """A connection to the account that the IMAP work is done in, its folders filled once."""
    client = ImapClient.logged_in(system.ports["imap"], address(ACCOUNTS - 1), PASSWORD)
    listed = client.command(b'LIST "" bench')
    if b"bench" not in listed:
        client.command(b"CREATE bench")
        client.command(b"CREATE target")
        for number in range(FOLDER_MESSAGES - 1):
            client.command(sample.append("bench", sample.message(number)))
        client.command(sample.append("bench", sample.message(500, text_bytes=8000)))
    _expect(client.command(b"SELECT bench"), rb"\* (\d+) EXISTS", FOLDER_MESSAGES)
    return client


def _expect(response: bytes, pattern: bytes, number: int) -> None:
    match = re.search(pattern, response)
    if match is None or int(match[1]) != number:
        raise Unverified(f"{pattern!r} is not {number}: {response[:300]!r}")


def single(
    line: bytes,
    *,
    repeat: int,
    lines: int | None = None,
    holds: bytes = b"",
    clean: bytes = b"",
    selected: bytes = b"bench",
) -> Callable[[System, float], Measurement]:
    """`line` over and over on one connection; its response must have `lines` lines with `holds`.

    In `line`, %d becomes the number of the repetition modulo the folder.
    """

    def run(system: System, scale: float) -> Measurement:
        with closing(reader(system)) as client:
            times = max(int(repeat * scale), 5)
            client.command(b"SELECT " + selected)

            def work() -> int:
                for number in range(times):
                    filled = line.replace(b"%d", b"%d" % (number % FOLDER_MESSAGES + 1))
                    response = client.command(filled)
                    if lines is not None and response.count(holds) != lines:
                        raise Unverified(f"{filled!r}: {response[:300]!r}")
                return times

            measurement = measured(system, work)
            if clean:
                _empty(client, clean)
            return measurement

    return run


def _empty(client: ImapClient, folder: bytes) -> None:
    client.command(b"SELECT " + folder)
    client.command(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
    client.command(b"EXPUNGE")


def append(message_bytes: int, repeat: int) -> Callable[[System, float], Measurement]:
    blob = sample.message(7, text_bytes=message_bytes)
    return single(sample.append("target", blob), repeat=repeat, clean=b"target")


def store(numbers: bytes, lines: int, repeat: int) -> Callable[[System, float], Measurement]:
    """Flags set and taken in turn, so that every command changes something."""

    def run(system: System, scale: float) -> Measurement:
        with closing(reader(system)) as client:
            times = max(int(repeat * scale), 4) // 2 * 2

            def work() -> int:
                for number in range(times):
                    sign = b"-" if number % 2 else b"+"
                    response = client.command(b"STORE %s %sFLAGS (\\Flagged)" % (numbers, sign))
                    if response.count(b" FETCH (") != lines:
                        raise Unverified(repr(response[:300]))
                return times

            return measured(system, work)

    return run


def mix(system: System, scale: float) -> Measurement:
    """Ten connections, each in a folder of its own account, doing a bit of everything."""
    addresses = system.fresh_addresses(10)
    cycles = max(int(60 * scale), 4)
    clients = []
    for name in addresses:
        client = ImapClient.logged_in(system.ports["imap"], name, PASSWORD)
        client.command(b"CREATE target")
        for number in range(100):
            client.command(sample.append("INBOX", sample.message(number)))
        client.command(b"SELECT INBOX")
        clients.append(client)
    per_cycle = len(list(_cycle(0)))

    def work() -> int:
        answered = run_scripts(
            (client, itertools.chain.from_iterable(map(_cycle, range(cycles))))
            for client in clients
        )
        if answered != cycles * per_cycle * len(clients):
            raise Unverified(f"{answered} commands answered")
        for client in clients:
            response = client.command(b"STATUS target (MESSAGES)")
            _expect(response, rb"MESSAGES (\d+)", cycles * 2)
        return answered

    try:
        return measured(system, work)
    finally:
        for client in clients:
            client.close()


def _cycle(number: int) -> Iterator[bytes]:
    at = number * 7 % 90 + 1
    yield b"FETCH %d:%d (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)" % (at, at + 9)
    yield b"FETCH %d BODY.PEEK[]" % at
    yield b"STORE %d +FLAGS (\\Seen)" % at
    yield b"SEARCH UNSEEN"
    yield b"SEARCH SUBJECT garden"
    yield sample.append("target", sample.message(number))
    yield b"COPY %d target" % at
    yield b"NOOP"
    yield b"FETCH %d BODY.PEEK[1]" % at
    yield b"STORE %d -FLAGS (\\Seen)" % at
    yield b"STATUS target (MESSAGES UNSEEN UIDNEXT)"
    yield b"SELECT INBOX"


def login(system: System, scale: float) -> Measurement:
    name = system.fresh_addresses(1)[0]
    times = max(int(300 * scale), 10)

    def work() -> int:
        for _ in range(times):
            with closing(ImapClient.logged_in(system.ports["imap"], name, PASSWORD)) as client:
                client.command(b"LOGOUT")
        return times

    return measured(system, work)


def pop3(system: System, scale: float) -> Measurement:
    """A session with ten messages read, as a POP3 client that leaves mail on the server."""
    name = system.fresh_addresses(1)[0]
    with closing(ImapClient.logged_in(system.ports["imap"], name, PASSWORD)) as client:
        for number in range(10):
            client.command(sample.append("INBOX", sample.message(number)))
    times = max(int(200 * scale), 5)

    def work() -> int:
        for _ in range(times):
            session = poplib.POP3("127.0.0.1", system.ports["pop3"], timeout=60)
            session.user(name)
            session.pass_(PASSWORD)
            numbers = [line.split()[0].decode() for line in session.uidl()[1]]
            read = [session.retr(int(number)) for number in numbers]
            session.quit()
            if len(read) != 10:
                raise Unverified(f"{len(read)} messages by POP3")
        return times

    return measured(system, work)


def idle_memory(tls: bool) -> Callable[[System, float], Measurement]:
    """KiB for each of many connections that have selected INBOX and wait in IDLE.

    As many are open before as are counted: the first ones live in what the heap has free.
    """

    def run(system: System, scale: float) -> Measurement:
        number = int(IDLE_CONNECTIONS * scale)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
        addresses = itertools.cycle(system.fresh_addresses(40))
        context = unverified_tls() if tls else None
        port = system.ports["imaps" if tls else "imap"]
        clients: list[ImapClient] = []

        def memory_of(connections: int) -> int:
            for name in itertools.islice(addresses, connections):
                client = ImapClient.logged_in(port, name, PASSWORD, context)
                client.command(b"SELECT INBOX")
                client.idle()
                clients.append(client)
            processes.wait_until_quiet(*system.roots)
            return processes.memory_bytes(*system.roots)

        try:
            before = memory_of(number)
            used = memory_of(number) - before
        finally:
            for client in clients:
                client.close()
        return Measurement(number, 1, 0, quantity=used / number / 1024)

    return run


def start_time(system: System, scale: float) -> Measurement:
    return Measurement(1, 1, 0, quantity=system.start_seconds)


def server_memory(system: System, scale: float) -> Measurement:
    processes.wait_until_quiet(*system.roots)
    mib = processes.memory_bytes(*system.roots) / 1024 / 1024
    return Measurement(1, 1, 0, quantity=mib)


# Memory comes first: what other work has left free in the heap would hide what is asked for.
WORKS = [
    Work("start-up until every port answers", "s", "", start_time),
    Work("memory of the idle server", "MiB", "at most 250", server_memory),
    Work("idle imap connection, plain", "KiB", "at most 8", idle_memory(tls=False)),
    Work("idle imap connection, TLS", "KiB", "at most 60", idle_memory(tls=True)),
    Work("smtp 2 KB, 10 sessions", "message", "0.7 ms, 10x", intake(10, 2048, 3000)),
    Work("smtp 2 KB, 50 sessions", "message", "0.6 ms, 12x", intake(50, 2048, 4000)),
    Work("smtp 2 KB, 1 session", "message", "3x the rate", intake(1, 2048, 600)),
    Work("smtp 10 KB, 10 sessions", "message", "", intake(10, 10240, 2000)),
    Work("smtp 100 KB, 10 sessions", "message", "1.2 ms, 6x", intake(10, 102400, 1000)),
    Work(
        "smtp 2 KB, 10 sessions, a connection each",
        "message",
        "",
        intake(10, 2048, 2000, keep=False),
    ),
    Work("relay 2 KB, 10 sessions", "message", "0.4 ms, 6x", relay),
    Work("drain of a deferred queue", "message", "0.25 ms, 3x", drain),
    Work("imap mix, 10 connections", "command", "200 us, 2x", mix),
    Work("imap NOOP", "command", "71 us", single(b"NOOP", repeat=5000)),
    Work(
        "imap STATUS",
        "command",
        "45 us",
        single(
            b"STATUS bench (MESSAGES UNSEEN UIDNEXT)",
            repeat=5000,
            lines=1,
            holds=b"MESSAGES 500",
            selected=b"INBOX",
        ),
    ),
    Work(
        "imap LIST", "command", "84 us", single(b'LIST "" *', repeat=4000, lines=1, holds=b"bench")
    ),
    Work(
        "imap SELECT of 500",
        "command",
        "86 us",
        single(b"SELECT bench", repeat=3000, lines=1, holds=b"500 EXISTS"),
    ),
    Work(
        "imap FETCH 1:* FLAGS of 500",
        "command",
        "357 us",
        single(b"FETCH 1:* FLAGS", repeat=1500, lines=500, holds=b" FETCH ("),
    ),
    Work(
        "imap FETCH 50 ENVELOPEs",
        "command",
        "711 us; a quarter: 178",
        single(b"FETCH 101:150 ENVELOPE", repeat=1000, lines=50, holds=b"ENVELOPE ("),
    ),
    Work(
        "imap FETCH 50 headers",
        "command",
        "298 us",
        single(
            b"FETCH 101:150 BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]",
            repeat=1000,
            lines=50,
            holds=b"Subject: ",
        ),
    ),
    Work(
        "imap FETCH 50 BODYSTRUCTUREs",
        "command",
        "187 us",
        single(b"FETCH 101:150 BODYSTRUCTURE", repeat=1500, lines=50, holds=b"BODYSTRUCTURE ("),
    ),
    Work(
        "imap FETCH one 10 KB body",
        "command",
        "120 us",
        single(b"FETCH 500 BODY.PEEK[]", repeat=3000, lines=1, holds=b"Message-ID"),
    ),
    Work(
        "imap FETCH one part",
        "command",
        "183 us",
        single(b"FETCH %d BODY.PEEK[1]", repeat=3000, lines=1, holds=b"BODY[1] {"),
    ),
    Work("imap STORE one", "command", "111 us", store(b"7", 1, 3000)),
    Work("imap STORE 50", "command", "1,126 us", store(b"101:150", 50, 600)),
    Work(
        "imap COPY one",
        "command",
        "436 us",
        single(b"COPY %d target", repeat=1000, clean=b"target"),
    ),
    Work("imap APPEND 2 KB", "command", "981 us; a half: 490", append(500, 800)),
    Work("imap APPEND 100 KB", "command", "1,620 us; a half: 810", append(98_000, 300)),
    Work(
        "imap SEARCH flags",
        "command",
        "225 us",
        single(b"SEARCH UNFLAGGED", repeat=2000, lines=1, holds=b"* SEARCH 1 2 3 "),
    ),
    Work(
        "imap SEARCH SUBJECT",
        "command",
        "1,505 us; a tenth: 150",
        single(b"SEARCH SUBJECT chrysanthemum", repeat=400, lines=1, holds=b"* SEARCH 1 51 101 "),
    ),
    Work(
        "imap SEARCH SINCE",
        "command",
        "2,044 us",
        single(b"SEARCH SENTSINCE 1-Jun-2025", repeat=400, lines=1, holds=b"* SEARCH 6 7 8 "),
    ),
    Work(
        "imap SEARCH BODY",
        "command",
        "20,894 us; a tenth: 2,089",
        single(b"SEARCH BODY chrysanthemum", repeat=40, lines=1, holds=b"* SEARCH 1 51 101 "),
    ),
    Work("imap login, connection included", "login", "1.5 ms", login),
    Work("pop3 session with 10 RETR", "session", "3 ms", pop3),
]
