"""`python -m tests.bench.queue_size`: what a claim, a page, the numbers and a forecast cost as the
queue grows to a million recipients. Rows only: nothing is delivered.

Processor time where the database is SQLite, whose work is the process's own: the clock says what
else the machine does.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
DESTINATIONS = 1_000
MOST_TIMES = 3.0  # the greatest queue may cost at most so much more than the smallest
FREE_MS = 5.0  # what is cheaper than this is not compared: it is the clock that differs


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mailhost-queue-") as folder:
        os.environ["MAILHOST_DATA"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailhost.settings")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        sizes = [int(one) for one in sys.argv[1:]] or list(SIZES)
        table = {size: _measure(size) for size in sizes}
    names = list(table[sizes[0]])
    print(f"{'ms':32}" + "".join(f"{size:>12,}" for size in sizes))
    for name in names:
        print(f"{name:32}" + "".join(f"{table[size][name]:12.2f}" for size in sizes))
    grown = [
        name
        for name in names
        if not name.startswith("(")
        and table[sizes[-1]][name] > max(FREE_MS, MOST_TIMES * table[sizes[0]][name])
    ]
    print("GREW WITH THE QUEUE: " + ", ".join(grown) if grown else "Nothing grew with the queue.")
    return bool(grown)


def _fill(size: int) -> None:
    """Up to `size` recipients in all, one for each message, of many destinations and states."""
    from django.db import connection, transaction

    from blobs.ids import new_id
    from clock.moments import to_micros, utc_now
    from spool.acceptance import (
        INSERT_MESSAGE,
        INSERT_RECIPIENT,
        MESSAGE_COLUMNS,
        RECIPIENT_COLUMNS,
    )
    from spool.models import SpooledRecipient, State

    now = to_micros(utc_now())
    present = SpooledRecipient.objects.count()
    numbers = {"size_bytes", "recipients_total", "accepted_at", "expires_at"}
    for start in range(present, size, 5_000):
        messages, recipients = [], []
        for number in range(start, min(start + 5_000, size)):
            message_id, domain = new_id(), f"d{number % DESTINATIONS}.test"
            is_tried = number % 3 == 0
            due = now + (number % 3600) * 1_000_000 if is_tried else now
            row = dict.fromkeys(MESSAGE_COLUMNS, None) | dict.fromkeys(numbers, 1)
            texts = (
                "origin", "kind", "message_id", "client_address", "client_name", "protocol",
                "body_type", "ret", "envid",
            )  # fmt: skip
            row |= dict.fromkeys(texts, "") | {
                "id": message_id, "sender": f"s{number % 5000}@one.example", "smtputf8": False,
                "size_bytes": 1000 + number % 9000, "accepted_at": now, "recipients_delivered": 0,
                "expires_at": now + 5 * 86_400 * 1_000_000, "decisions": "[]",
            }  # fmt: skip
            messages.append([row[column] for column in MESSAGE_COLUMNS])
            row = dict.fromkeys(RECIPIENT_COLUMNS, None) | dict.fromkeys(
                ("orcpt", "notify", "reply"), ""
            ) | {
                "id": new_id(), "message_id": message_id, "address": f"r{number}@{domain}",
                "original_address": f"r{number}@{domain}", "route": "remote",
                "destination": domain, "priority": 1 + number % 10, "is_forced": False,
                "state": (State.RETRYING if is_tried else State.QUEUED).value,
                "attempts": number % 5 if is_tried else 0, "due_at": due,
            }  # fmt: skip
            recipients.append([row[column] for column in RECIPIENT_COLUMNS])
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(INSERT_MESSAGE, messages)
            cursor.executemany(INSERT_RECIPIENT, recipients)


def _measure(size: int) -> dict[str, float]:
    from django.db import connection, transaction

    from clock.moments import to_micros, utc_now
    from spool import selectors, statistics, summaries
    from spool.claims import ClaimDue
    from spool.listing import Column, View
    from spool.models import SpooledMessage, SpooledRecipient
    from spool.selection import SpoolFilter

    _fill(size)
    ahead = utc_now() + timedelta(minutes=30)
    begun = time.perf_counter()
    summaries.list_all(now=ahead)
    listed = (time.perf_counter() - begun) * 1000
    begun = time.perf_counter()
    statistics.measure(now=utc_now())
    counted = (time.perf_counter() - begun) * 1000
    assert SpooledMessage.objects.filter(finished_at=None, is_listed=True).count() == size
    assert SpooledRecipient.objects.count() == size
    assert statistics.current(now=utc_now()).recipients == size

    def claim() -> None:
        job = ClaimDue(owner=7, now=to_micros(utc_now()), limit=250)
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    ClaimDue.write_rows([job], cursor)
                assert len(job.result.recipients) == 250
                raise _TakenBack
        except _TakenBack:
            pass

    def page(**given: object) -> Callable[[], None]:
        def act() -> None:
            found = selectors.page(None, now=utc_now(), **given)  # type: ignore[arg-type]
            assert found.rows

        return act

    deep = selectors.page(None, now=utc_now(), column=Column.PRIORITY, rows=1000).next
    found = {
        "claim of 250": _best(claim),
        "page, oldest first": _best(page()),
        "page, waiting": _best(page(view=View.WAITING)),
        **{
            f"page by {one.name.lower()}": _best(page(column=one, descending=True))
            for one in Column
        },
        "page 11 by priority": _best(page(column=Column.PRIORITY, cursor=deep)),
        "page of one recipient": _best(page(filter=SpoolFilter(recipient="r77@d77.test"))),
        "page of one destination": _best(page(filter=SpoolFilter(destination="d77.test"))),
        "forecast": _best(lambda: statistics.forecast(now=utc_now())),
        "statistics": _best(lambda: statistics.current(now=utc_now())),
    }
    return {**found, "(listing, all, once)": listed, "(counting, once a minute)": counted}


class _TakenBack(Exception):
    """What was claimed for the measurement is free again."""


def _best(act: Callable[[], object]) -> float:
    """Milliseconds, the best of five."""
    from django.db import connection

    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    times = []
    for _ in range(5):
        begun = clock()
        act()
        times.append((clock() - begun) * 1000)
    return min(times)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.exit(main())
