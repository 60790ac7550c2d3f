"""The day, hour by hour; what must be true at each of them is asserted where it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.killing import _end, _wait_until_back
from tests.crash.load import Promises
from tests.day import customers
from tests.day.customers import ALLOWED, ANN, LOUD, QUIET, SAM, WORDS, Letter
from tests.day.neighbours import DARK, GATED, KIND, Neighbours
from tests.running import RunningServer

PATIENCE_SECONDS = 120
# Recipients of each message of the flood: together they are more than is claimed at once.
CROWD = 20


@dataclass(frozen=True)
class Length:
    """How much happens."""

    passers: int = 3
    flood: int = 60  # messages of the loud customer, each for a crowd
    kills: int = 1
    rounds: int = 1  # letters to each of the odd neighbours


@dataclass
class Day:
    """`run` it; then `letters` and `promises` are what must be explained."""

    server: RunningServer
    neighbours: Neighbours
    length: Length
    letters: list[Letter] = field(default_factory=list)
    promises: Promises = field(default_factory=Promises)
    kills: int = 0

    def run(self) -> None:
        self.open_shop()
        self.promises, passers = customers.busy_hour(self.server, self.length.passers)
        try:
            for hour in (
                self.meet_the_neighbours,
                self.lose_dns,
                self.be_thrifty,
                self.crash,
                self.flood_and_restart,
            ):
                self._live_through(hour)
        finally:
            for passer in passers:
                passer.stop()
        self._live_through(self.mend)

    def open_shop(self) -> None:
        gateway = self.neighbours.sinks[GATED]
        site = customers.site(gateway.host, self.neighbours.port)
        self.server.manage("apply", "-", "--allow-weak-passwords", text=site)

    def meet_the_neighbours(self) -> None:
        """A gateway hangs, others are out of order, each in a way of its own."""
        named = [recipient for recipient in WORDS if not recipient.endswith(f"@{DARK}")]
        self._write(ANN, *([recipient] for recipient in named * self.length.rounds))
        until(self.neighbours.has_met_all, "not every neighbour was asked")
        # The gateway still hangs, and nobody else waits for it.
        [letter] = self._write(QUIET, [f"friend@{KIND}"])
        until(lambda: self._took(letter), "a single letter waited for the hung gateway")
        assert not self.neighbours.sinks[GATED].taken

    def lose_dns(self) -> None:
        """For a while no name server answers; what is known already goes on."""
        self.neighbours.lose_dns()
        written = self._write(ANN, *([f"pat@{DARK}"] for _ in range(self.length.rounds)))
        [single] = self._write(QUIET, [f"friend@{KIND}"])
        until(lambda: self._took(single), "mail to a known server waited for DNS")
        ids = [letter.message_id for letter in written]
        until(
            lambda: self.server.manage("trace", *ids).count("do not answer") >= len(ids),
            "nobody was told that DNS is away",
        )
        self.neighbours.find_dns_again()

    def be_thrifty(self) -> None:
        """A domain sends more than its hour allows, even if a new hour begins meanwhile."""
        self._write(SAM, *([f"aunt{n}@{KIND}"] for n in range(2 * ALLOWED + 1)))
        until(self._throttled, "nobody was throttled")

    def crash(self) -> None:
        for _ in range(self.length.kills):
            [pid, *_] = self.server.pids("serve_mail")
            _end(pid)
            self.kills += 1
            _wait_until_back(self.server)

    def flood_and_restart(self) -> None:
        """The operator stops the spool, it fills, all is started again, and leaves in turns."""
        self.server.manage("service", "stop", "spool")
        taken_before = len(self.neighbours.taken_by(KIND))
        crowd = [f"crowd{n}@{KIND}" for n in range(CROWD)]
        flood = self._write(LOUD, *[crowd] * self.length.flood)
        [single] = self._write(QUIET, [f"doctor@{KIND}"])
        self.server.stop()
        self.server.start()
        assert not any(self._took(letter) for letter in (*flood, single)), "a stopped spool sent"
        self.server.manage("service", "start", "spool")
        until(lambda: all(map(self._took, (*flood, single))), "the flood never ended")
        names = {letter.message_id for letter in (*flood, single)}
        taken = self.neighbours.taken_by(KIND)[taken_before:]
        # Each once: processes may share the recipients of a letter between them.
        order = list(dict.fromkeys(name for name in taken if name in names))
        place = order.index(single.message_id)
        if self.server.environment["MAILHOST_MAIL_PROCESSES"] == "1":  # several do not keep step
            assert place < len(flood) / 4, f"the single letter left as number {place + 1}"

    def mend(self) -> None:
        """The other servers work again; what was put off for long goes now, by the operator."""
        self.neighbours.mend()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while int(self.server.manage("spool", "count").split()[0]):
            assert time.monotonic() < deadline, self.server.manage("spool", "list")
            # A release begins the hour's allowance anew, and it may take several.
            for shown in self._throttled():
                self.server.manage("throttle", "release", str(shown["who"]))
            self.server.manage("spool", "force", "--all")

    @staticmethod
    def _live_through(hour: Callable[[], None]) -> None:
        begun = time.monotonic()
        hour()
        print(f"{hour.__name__}: {time.monotonic() - begun:.1f} s", flush=True)

    def _write(self, sender: str, *letters: list[str]) -> list[Letter]:
        written = customers.write_all(self.server, sender, letters)
        self.letters += written
        return written

    def _took(self, letter: Letter) -> bool:
        return letter.message_id in self.neighbours.taken_by(KIND)

    def _throttled(self) -> list[dict[str, object]]:
        return list(json.loads(self.server.manage("throttle", "list", "--json")))


def until(look: Callable[[], object], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)
