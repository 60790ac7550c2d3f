"""Runs a supervisor over fake parts: `supervise.py RECORD KIND...`; prints what it announces.

A part that is "deaf" never drains; all others have plenty of time.
"""

import os
import sys
from pathlib import Path

from mailhost import logs, supervisor
from mailhost.parts import Part

logs.configure({"level": "debug", "format": "logfmt"})
record, *kinds = sys.argv[1:]
drain_seconds = 1.5 if "deaf" in kinds else 60.0
supervisor.GRACE_SECONDS = 0.3
fake = str(Path(__file__).with_name("fake_part.py"))
first_port = int(os.environ.get("FIRST_PORT", "8000"))
parts = [
    Part(f"{kind}{number}", (sys.executable, fake, kind, str(first_port + number), record))
    for number, kind in enumerate(kinds)
]
sys.exit(
    supervisor.Supervisor(
        parts,
        drain_seconds=drain_seconds,
        on_ready=lambda listening: print("ready", *(one.port for one in listening), flush=True),
    ).run()
)
