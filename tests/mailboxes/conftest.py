"""A domain with accounts, and messages in their mailboxes, on a real database and real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.db import connection, transaction

from accounts import directory as account_directory
from accounts.models import User
from blobs.committer import Committer
from blobs.ids import new_id
from blobs.models import Area, Blob
from blobs.reading import forget_all
from blobs.store import Body, NewRecord, ensure_area
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from domains.models import (
    Domain,
    DomainFeatures,
    DomainLimits,
    DomainPriority,
    DomainTechnical,
    DomainThrottling,
)
from mailboxes import delivery, quota, selectors, standard
from mailboxes import directory as mailbox_directory
from mailboxes.appending import Append
from mailboxes.delivery import Delivery
from mailboxes.models import Folder

MESSAGE = (
    b"Date: Sat, 21 Nov 2026 22:28:07 +0000\r\nFrom: Ada <ada@example.org>\r\n"
    b"To: bob@example.com\r\nSubject: Hello\r\n\r\nDear Bob\r\n"
)
_numbers = count(1)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Nothing is remembered from an earlier test, whose rows are gone."""
    for clear in (
        account_directory.clear,
        domain_directory.clear,
        quota.forget,
        standard._inboxes.clear,
        selectors.forget_messages,
        mailbox_directory.clear,
        forget_all,
    ):
        clear()
    yield


@pytest.fixture
def store(transactional_db: None, settings: object, tmp_path: object) -> Iterator[Committer]:
    """A committer that writes to the spool's area in a directory of this test."""
    settings.MAILHOST_DATA = tmp_path
    area = ensure_area("spool", path="spool", kind=Area.Kind.SPOOL)
    committer = Committer(area)
    yield committer
    committer.stop(timeout=20)


@pytest.fixture
def make_domain(store: Committer) -> Callable[..., Domain]:
    def make(name: str | None = None, **limits: int) -> Domain:
        name = name or f"d{next(_numbers)}.example"
        area = ensure_area(name, path=f"domains/{name}", kind=Area.Kind.DOMAIN)
        domain = Domain.objects.create(
            name=name, unicode_name=name, area=area, created_at=utc_now()
        )
        DomainLimits.objects.create(domain=domain, **limits)
        for tab in (DomainTechnical, DomainFeatures, DomainPriority, DomainThrottling):
            tab.objects.create(domain=domain)
        return domain

    return make


@pytest.fixture
def make_account(make_domain: Callable[..., Domain]) -> Callable[..., User]:
    def make(domain: Domain | None = None, **values: object) -> User:
        return User.objects.create(
            domain=domain or make_domain(),
            local_part=f"u{next(_numbers)}",
            created_at=utc_now(),
            **values,
        )

    return make


@pytest.fixture
def account(make_account: Callable[..., User]) -> User:
    return make_account()


@pytest.fixture
def append(store: Committer, account: User) -> Callable[..., Delivery]:
    """Bring a message into a folder (None: the INBOX) durably; its delivery."""

    def append_message(
        message: bytes = MESSAGE, folder: Folder | None = None, **values: object
    ) -> Delivery:
        owner = values.pop("owner", account)
        job = Append.of(
            message,
            account_id=owner.pk,
            domain_id=owner.domain_id,
            folder_id=folder and folder.pk,
            received_at=to_micros(utc_now()),
            **values,
        )
        store.commit_now(job)
        return job.delivery

    return append_message


@pytest.fixture
def deliver(store: Committer, account: User) -> Callable[..., list[Delivery]]:
    """Deliver the same small blob several times in one transaction of this thread."""

    def deliver_now(*deliveries: Delivery) -> list[Delivery]:
        with transaction.atomic(), connection.cursor() as cursor:
            delivery.deliver(cursor, deliveries, now=to_micros(utc_now()))
        return list(deliveries)

    return deliver_now


@pytest.fixture
def blob(store: Committer) -> Blob:
    """A stored message with references for a thousand rows."""
    from blobs.committer import Job

    record = NewRecord(new_id(), b"", b"", Body(store._area, MESSAGE), references=1000)

    class Store(Job):
        @staticmethod
        def write_rows(jobs: object, cursor: object) -> None:
            pass

    store.commit_now(Store(records=[record]))
    return Blob.objects.get(pk=record.blob_id)


@pytest.fixture
def new_delivery(account: User, blob: Blob) -> Callable[..., Delivery]:
    def make(**values: object) -> Delivery:
        owner = values.pop("owner", account)
        return Delivery(
            **{
                "account_id": owner.pk,
                "domain_id": owner.domain_id,
                "blob_id": blob.pk,
                "prefix": "",
                "size_bytes": 100,
                "received_at": 1,
                **values,
            }
        )

    return make
