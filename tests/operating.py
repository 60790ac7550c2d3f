"""What an operator asks of a running server, for tests that come in by its doors."""

from __future__ import annotations

from tests.running import RunningServer


def spooled(server: RunningServer) -> int:
    """How many recipients wait in the spool."""
    return int(
        _ask(
            server,
            "from spool.models import SpooledRecipient, State",
            "print(SpooledRecipient.objects.filter(state__lt=State.DELIVERED).count())",
        )
    )


def force_all(server: RunningServer) -> None:
    """Try everything in the spool now."""
    _ask(
        server,
        "from clock.moments import utc_now",
        "from spool import services",
        "from spool.models import SpooledMessage",
        "waiting = SpooledMessage.objects.filter(finished_at=None)",
        "ids = list(waiting.values_list('id', flat=True))",
        "services.force(message_ids=ids, by=None, now=utc_now())",
    )


def differences(server: RunningServer) -> list[str]:
    """Counters of mailboxes that are not what their rows say."""
    return _ask(
        server, "from mailboxes.verify import verify", "print(*verify(), sep='\\n')"
    ).splitlines()


def _ask(server: RunningServer, *lines: str) -> str:
    return server.manage("shell", "--verbosity=0", "-c", "\n".join(lines)).strip()
