"""A world whose mail lies in its domains' own folders, and what reading one anew says of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core import mail

from accounts.models import User
from administration import reloadjob
from blobs.committer import stop_process_committer
from blobs.reading import forget_all
from domains.models import Domain
from jobs import running
from jobs.models import State
from mailboxes import selectors, verify
from mailboxes.models import Folder, Message
from mailboxes.settler import Settler
from spool.references import count_references
from tests.people import World, make_world


@contextmanager
def mail_world(settings: Any, data: Path) -> Iterator[World]:
    """On files below `data`; Django's mail goes through the spool."""
    settings.MAILHOST_DATA = data
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    settings.MAILHOST_HOSTNAME = "mx.one.example"
    settings.DEFAULT_FROM_EMAIL = "MailHost <noreply@mx.one.example>"
    yield make_world()
    stop_process_committer()
    forget_all()


def receive(address: str, *subjects: str) -> None:
    """Mail that lies in the domain's own folder at the end."""
    for subject in subjects:
        mail.EmailMessage(subject, "text", to=[address]).send()
    settle()


def settle() -> None:
    settler = Settler(settle_after=timedelta(0))
    while settler.run_once():
        pass
    settler.close()


def reload(domain: Domain, by: User | None = None) -> dict[str, Any]:
    """What the job tells, but for zeros and empty lists."""
    job = reloadjob.start_reload(domain=domain, by=by)
    running.run_waiting()
    job.refresh_from_db()
    assert job.state == State.DONE, job.error
    assert job.result is not None
    return {name: value for name, value in job.result.items() if value}


def directory(domain: Domain) -> Path:
    return Domain.objects.select_related("area").get(pk=domain.pk).area.directory


def folder_of(domain: Domain, user: str, name: str = "INBOX") -> Folder:
    return Folder.objects.get(account__domain=domain, account__local_part=user, name=name)


def state(domain: Domain, *, with_modseq: bool = True) -> dict[str, Any]:
    """Folders, UIDs, flags, moments and bytes."""
    found: dict[str, Any] = {}
    for folder in Folder.objects.filter(account__domain=domain).order_by("account", "name"):
        rows = list(Message.objects.filter(folder=folder).order_by("uid"))
        read = selectors.read_messages(folder.pk, [row.uid for row in rows])
        found[f"{folder.account}/{folder.name}"] = (
            folder.special_use,
            folder.uidvalidity,
            [
                (
                    row.uid, row.flags, row.keywords, row.received_at, row.saved_at,
                    read[row.uid].read(), row.modseq if with_modseq else 0,
                )
                for row in rows
            ],
        )  # fmt: skip
    return found


def all_is_counted() -> None:
    assert verify.verify() == []
    assert verify.verify_references(count_references) == []
