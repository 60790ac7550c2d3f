"""Lists of the Django admin: filtered, exported, imported, at a constant number of queries."""

from __future__ import annotations

import copy
import csv
import io
import itertools
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import LastActivity, User
from adminsite import csvfiles
from adminsite.exporting import SECRETS
from clock.moments import utc_now
from domains.models import Domain
from events.models import AuditEntry
from operations import relay
from operations.models import RelayNetwork
from tests.adminsite.adminrows import MODELS, make_mail, url

pytestmark = pytest.mark.django_db


def exported(client: Client, model: type[models.Model]) -> list[list[str]]:
    keys = list(model._default_manager.values_list("pk", flat=True))
    answer = client.post(
        url(model, "changelist"), {"action": "export_csv", "_selected_action": keys}
    )
    assert answer["Content-Type"].startswith("text/csv"), model
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.spec("X-002")
def test_every_list_is_exported_without_formulas_and_secrets(client: Client, world: Domain) -> None:
    make_mail(world)
    for model in MODELS:
        if admin.site.get_model_admin(model).actions is None:
            continue
        rows = exported(client, model)
        assert len(rows) == 1 + model._default_manager.count(), model
        texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[0-9.]+", cell)]
        assert not any(text.startswith(csvfiles.DANGEROUS) for text in texts), model
        assert not set(rows[0]) & SECRETS, model
        assert "argon2" not in str(rows), model
    User.objects.filter(local_part="alice").update(full_name="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in str(exported(client, User))


def upload(client: Client, model: type[models.Model], text: str) -> str:
    file = SimpleUploadedFile("rows.csv", text.encode())
    page = url(model, "import_csv")
    assert client.get(page).status_code == 200
    return str(client.post(page, {"file": file}, follow=True).content.decode())


@pytest.mark.spec("X-002")
def test_a_file_is_imported_by_the_services_all_of_it_or_nothing(
    client: Client, root: User, world: Domain
) -> None:
    good = (
        "local_part,domain,full_name,pop_access\n"
        "Bob,world.example,'=Bob,no\n"
        "eve,alias.example,Eve,\n"
    )
    page = upload(client, User, good + "alice,world.example,Again,\nx,nowhere.example,X,\n")
    assert "Nothing was added" in page
    assert "Line 4: alice" in page and "Line 5: " in page and "nowhere.example" in page
    assert not User.objects.filter(local_part="bob").exists()
    assert "Added 2 from the file" in upload(client, User, good)
    bob, eve = (User.objects.get(local_part=name) for name in ("bob", "eve"))
    assert (bob.full_name, bob.pop_access, bob.plus_addressing) == ("=Bob", False, True)
    assert (eve.domain, eve.pop_access) == (world, True)
    entry = AuditEntry.objects.filter(verb="added user").latest("pk")
    assert (entry.actor, entry.client_address) == ("root", "127.0.0.1")
    page = upload(client, RelayNetwork, "network,note\n198.51.100.9,printer\n0.0.0.0/0,all\n")
    assert "Line 3: " in page and RelayNetwork.objects.count() == 1
    assert "file is empty" in upload(client, RelayNetwork, "")
    for bad in ("\n", "nonsense\nx\n", 'network\n"', "network\n" + "x\n" * 6_000):
        assert "Nothing was added" in upload(client, RelayNetwork, bad)
    # What was exported comes back as it was.
    text = b"".join(
        client.post(  # type: ignore[attr-defined]
            url(RelayNetwork, "changelist"),
            {"action": "export_csv", "_selected_action": [RelayNetwork.objects.get().pk]},
        ).streaming_content
    ).decode()
    relay.remove(row=RelayNetwork.objects.get(), by=None)
    assert "Added 1 from the file" in upload(client, RelayNetwork, text)
    assert RelayNetwork.objects.get().network == "192.0.2.0/24"


def test_lists_are_filtered_by_their_times(client: Client, world: Domain) -> None:
    now = utc_now()
    user = User.objects.get(local_part="alice")
    LastActivity.objects.filter(user=user).update(at=now - timedelta(days=3))
    page = url(LastActivity, "changelist")
    assert "Past 7 days" in client.get(page).content.decode()
    for span, count in (("day", 0), ("week", 1), ("nonsense", 1)):
        changelist = client.get(page, {"at__since": span}).context["cl"]
        assert len(changelist.result_list) == count, span


@pytest.mark.once
def test_no_list_asks_more_for_thirty_rows_than_for_one(client: Client, world: Domain) -> None:
    make_mail(world)
    numbers = itertools.count(100)
    grown: dict[str, tuple[int, int]] = {}
    for model in MODELS:
        page = url(model, "changelist")
        few = queries(client, page)
        more_of(model, numbers)
        many = queries(client, page)
        if many > few + 1:  # one for each row would be thirty
            grown[model.__name__] = (few, many)
    assert grown == {}


COPIES = 30


def queries(client: Client, page: str) -> int:
    client.get(page)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


def more_of(model: type[models.Model], numbers: Iterator[int]) -> None:
    """Copies of the last row, another in all that must be unique."""
    last = model._default_manager.last()
    assert last is not None, model
    unique = {name for one in model._meta.constraints for name in getattr(one, "fields", ())}
    fields = [f for f in model._meta.concrete_fields if f.unique or f.name in unique]
    fields = [f for f in fields if getattr(last, f.attname) not in (None, "")]
    keys = {f: unused(model, f, numbers) for f in fields if f.is_relation}
    rows = []
    for _ in range(COPIES):
        row = copy.copy(last)
        for field in fields:
            if isinstance(field, models.AutoField):
                # PostgreSQL counts on from rows that were given no key, and some were.
                row.pk = 1_000_000 + next(numbers)
            elif field.is_relation:
                setattr(row, field.attname, next(keys[field]))
            elif isinstance(field, models.IntegerField):
                setattr(row, field.attname, next(numbers))
            elif isinstance(field, models.CharField):
                setattr(row, field.attname, f"n{next(numbers)}"[: field.max_length])
            elif isinstance(field, models.BooleanField):
                setattr(row, field.attname, False)
        rows.append(row)
    model._default_manager.bulk_create(rows)


def unused(model: type[models.Model], field: Any, numbers: Iterator[int]) -> Iterator[Any]:
    """Keys of rows of the related model that no row of this one points to."""
    related = field.related_model
    used = model._default_manager.exclude(**{field.name: None}).values(field.attname)
    keys = list(related._default_manager.exclude(pk__in=used).values_list("pk", flat=True))
    if len(keys) < COPIES:
        more_of(related, numbers)
        return unused(model, field, numbers)
    return iter(keys)
