"""A domain appears whole or not at all, whatever fails on the way (D-026)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.db import DatabaseError, connection, transaction

from accounts import provisioning
from accounts.models import User
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from domains.errors import FolderRefused
from domains.models import Domain
from tests.factories import verifiers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def data(tmp_path: Path, settings: LazySettings) -> Path:
    settings.MAILHOST_DATA = tmp_path
    return tmp_path


def opened(name: str = "new.example") -> Domain:
    administrator = NewUser(username="admin", verifiers=verifiers(), values={"full_name": "Ada"})
    people = [NewUser(username="ann", verifiers=verifiers())]
    new = NewDomain(name=name, administrator=administrator, users=people)
    return provisioning.open_domain(new=new, by=None)


def rows() -> dict[str, int]:
    """How many rows every table of the project has."""
    found = {}
    for model in apps.get_models():
        if model._meta.app_label in ("domains", "accounts", "events", "blobs", "switchboard"):
            found[model._meta.label] = model._base_manager.count()
    return found


def folders(data: Path) -> list[str]:
    return sorted(str(path.relative_to(data)) for path in (data / "domains").glob("*"))


class Failing:
    """Lets so many statements through, then the database is gone."""

    def __init__(self, passing: int) -> None:
        self.left = passing

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if self.left == 0:
            raise DatabaseError("the disk is gone")
        self.left -= 1
        return execute(sql, params, many, context)


class Counting(Failing):
    def __init__(self) -> None:
        super().__init__(-1)

    @property
    def statements(self) -> int:
        return -1 - self.left


@pytest.mark.spec("D-026", lacks="the events that it raises")
def test_a_failure_at_any_statement_leaves_neither_rows_nor_folder(data: Path) -> None:
    opened("first.example")  # what is made once and for all is there from now on
    before, folders_before = rows(), folders(data)
    counting = Counting()
    with connection.execute_wrapper(counting), transaction.atomic():
        opened()
        transaction.set_rollback(True)
    assert counting.statements > 20 and rows() == before
    for passing in range(counting.statements - 2):
        with connection.execute_wrapper(Failing(passing)), pytest.raises(DatabaseError):
            opened()
        assert rows() == before, passing
        assert folders(data) == folders_before, passing
    assert opened().domaintechnical.smtp_port == 25
    assert folders(data) == ["domains/first.example", "domains/new.example"]


@pytest.mark.spec("D-026", lacks="the events that it raises")
def test_a_commit_that_fails_leaves_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows()

    def fail() -> None:
        raise DatabaseError("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(connection, "_commit", fail)
        with pytest.raises(DatabaseError):
            opened()
    assert rows() == before and folders(data) == []


@pytest.mark.spec("D-034")
@pytest.mark.spec("D-026", lacks="the events that it raises")
def test_a_folder_that_cannot_be_made_refuses_the_domain(data: Path) -> None:
    (data / "domains").write_text("a file where the folder should be")
    with pytest.raises(FolderRefused):
        opened()
    assert not Domain.objects.exists() and not User.objects.exists()


@pytest.mark.spec("D-026", lacks="the events that it raises")
def test_what_is_opened_has_its_folder_when_the_service_returns(data: Path) -> None:
    domain = opened()
    assert domain.area.directory.is_dir()
    assert domain.area.directory.stat().st_mode & 0o777 == 0o700
