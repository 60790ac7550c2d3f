"""What one run of `apply` prints, and what a snapshot does."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from accounts.settings import LOGIN

EXAMPLE = """
    domains:
      - name: example.com
        admin: {username: admin, password: secret123, full_name: Ada Admin}
        limits: {users: 1200, max_message_size_kb: 0, disk_space_mb: 0}
        throttling: {outgoing_messages_per_hour_enabled: false}
        users:
          - {username: alice, password: secret123, full_name: Alice}
          - {username: bob, password: secret123}
        user_aliases:
          - {name: sales, targets: [alice, bob]}
        domain_aliases: [example.net]
    gateways:
      - {name: sink, host: 127.0.0.1, port: 2526, domains: [sink.test]}
"""


class Run:
    """What one run of `apply` printed; `problems` as place and reason."""

    def __init__(self, path: Path, text: str, **options: Any) -> None:
        path.write_text(textwrap.dedent(text))
        out, err = io.StringIO(), io.StringIO()
        self.failure = ""
        try:
            call_command("apply", str(path), stdout=out, stderr=err, **options)
        except CommandError as error:
            self.failure = str(error)
        self.lines = out.getvalue().splitlines()
        self.problems = [line.removeprefix(f"{path}:") for line in err.getvalue().splitlines()]
        LOGIN.forget()


def snapshot(*domains: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("snapshot", *domains, stdout=out, **options)
    return out.getvalue()
