"""Folders of domains on their way, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from administration import movejob
from blobs.reading import forget_all
from domains.models import Domain
from jobs.models import Job
from mailboxes import selectors
from tests.administration.reloadworld import folder_of

ALICE = "alice@own.example"


def begin(domain: Domain, goal: Path | str, *, by: Any = None) -> Job:
    domain = Domain.objects.select_related("area").get(pk=domain.pk)
    return movejob.start_move(domain=domain, folder_path=str(goal), by=by)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def subjects(domain: Domain) -> list[str]:
    forget_all()
    read = selectors.read_messages(folder_of(domain, "alice").pk, list(range(1, 20)))
    assert sorted(read) == list(range(1, len(read) + 1))
    heads = (read[uid].read().partition(b"\r\n\r\n")[0].decode() for uid in sorted(read))
    return [head.partition("Subject: ")[2].partition("\r\n")[0] for head in heads]
