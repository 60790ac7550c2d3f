"""A part for the supervisor's tests: says that it is ready, then behaves as its argument says."""

import os
import signal
import sys
import time
from pathlib import Path

from listeners import activation
from listeners.readiness import Listening, tell_ready
from mailhost import privileges

kind, port, record = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
privileges.follow_supervisor()


def say(event: str) -> None:
    with record.open("a") as file:
        file.write(f"{event} {os.getpid()}\n")


def end(*_: object) -> None:
    say("drained")
    sys.exit(0)


say("started")
if kind == "heir":
    inherited = activation.take("127.0.0.1", port)
    say("inherited" if inherited is not None else "nothing to inherit")
if kind == "broken":
    sys.exit("it cannot start")
signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "deaf" else end)
say("ready")
tell_ready([Listening("smtp", "127.0.0.1", port)])
while True:
    time.sleep(60)
