"""Runs a supervisor over fake parts: `supervise.py RECORD KIND...`; prints what it announces."""

import os
import sys
from pathlib import Path

from mailhost import logs, supervisor
from mailhost.parts import Part

logs.configure({"level": "debug", "format": "logfmt"})
supervisor.GRACE_SECONDS = 0.3
record, *kinds = sys.argv[1:]
fake = str(Path(__file__).with_name("fake_part.py"))
first_port = int(os.environ.get("FIRST_PORT", "8000"))
parts = [
    Part(f"{kind}{number}", (sys.executable, fake, kind, str(first_port + number), record))
    for number, kind in enumerate(kinds)
]
sys.exit(
    supervisor.Supervisor(
        parts,
        drain_seconds=0.2,
        on_ready=lambda listening: print("ready", *(one.port for one in listening), flush=True),
    ).run()
)
