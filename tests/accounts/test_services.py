"""Users: added, changed, deleted, within names, limits and rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts import administrators, aliases, provisioning, services
from accounts.errors import (
    AliasUnknown,
    LastAdministrator,
    LocalPartTaken,
    PasswordRefused,
    UserUnknown,
)
from accounts.models import LocalPart, Role, Status, User, UserAlias
from accounts.services import NewUser
from accounts.settings import DELETION
from domains.errors import ChangedMeanwhile, DomainUnknown, ValuesRefused
from domains.localparts import LocalPartMalformed
from domains.models import Domain
from events.models import AuditEntry
from switchboard.models import Change
from switchboard.topics import Topic
from tests.factories import make_alias, make_domain, make_user
from tests.races import Pause, beside, run_together


def user(domain: Domain, name: str) -> User:
    return User.objects.get(domain=domain, local_part=name)


@pytest.mark.django_db
@pytest.mark.spec("U-011")
@pytest.mark.parametrize("name", ["bob", "b.o-b_1", "bob+shop", "Bob", "jörg", "x" * 64])
def test_a_user_name_may_have_letters_digits_and_a_few_signs(name: str) -> None:
    added = make_user(make_domain(), name)
    assert added.local_part == name.lower()
    assert LocalPart.objects.get(local_part=name.lower()).object_id == added.pk


@pytest.mark.django_db
@pytest.mark.spec("U-011")
@pytest.mark.parametrize(
    "name", ["", "*", "a b", ".a", "a.", "a..b", "a@b", "a\nb", "a/b", "ü" * 33, "<x>", "a\0"]
)
def test_other_user_names_are_refused(name: str) -> None:
    with pytest.raises(LocalPartMalformed):
        make_user(make_domain(), name)


@pytest.mark.django_db
@pytest.mark.spec("U-011")
@pytest.mark.spec("D-035")
def test_a_name_is_taken_once_in_a_domain_whatever_it_leads_to() -> None:
    domain = make_domain(None, "alice")
    make_alias(domain, "sales", "alice")
    for taken in ("ALICE", "sales", "listserv", "admin"):
        with pytest.raises(LocalPartTaken):
            make_user(domain, taken)
        with pytest.raises(LocalPartTaken):
            make_alias(domain, taken, "alice")
    for taken in ("alice", "sales", "admin"):
        with pytest.raises(LocalPartTaken):
            provisioning.change_options(
                domain=domain, options={"list_command_address": taken}, by=None
            )
    assert make_user(make_domain(), "alice"), "another domain has its own"


@pytest.mark.django_db
def test_many_users_are_added_together_or_not_at_all() -> None:
    domain = make_domain(None, "alice")
    news = [NewUser(username=name) for name in ("bob", "carol", "alice")]
    with pytest.raises(LocalPartTaken):
        services.add_users(domain=domain, users=news, by=None)
    assert User.objects.filter(domain=domain).count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("U-011")
def test_two_at_once_cannot_both_take_a_name() -> None:
    domain = make_domain()
    errors = run_together(
        lambda: make_user(domain, "alice"),
        lambda: make_alias(domain, "alice", "admin"),
    )
    assert [type(error) for error in errors] == [LocalPartTaken]
    assert LocalPart.objects.filter(domain=domain, local_part="alice").count() == 1


@pytest.mark.django_db
@pytest.mark.spec("U-012", "U-013")
@pytest.mark.spec("U-017", lacks="the Global Address List in webmail")
@pytest.mark.spec("U-018", lacks="greylisting")
def test_values_of_a_user_are_checked_and_kept() -> None:
    domain = make_domain(None, "alice")
    alice = services.change_user(
        user=user(domain, "alice"),
        values={
            "full_name": "Alice Ä",
            "reply_to": "office@elsewhere.example",
            "time_zone": "Europe/Berlin",
            "language": "de",
            "mailbox_size_mb": 10,
            "hide_from_address_list": True,
            "disable_greylisting": True,
        },
        by=None,
    )
    alice.refresh_from_db()
    assert (alice.full_name, alice.time_zone, alice.mailbox_size_mb) == (
        "Alice Ä",
        "Europe/Berlin",
        10,
    )
    assert alice.version == 2


@pytest.mark.django_db
@pytest.mark.spec("U-012", "U-013")
@pytest.mark.parametrize(
    "values",
    [
        {"full_name": "Alice\r\nBcc: eve@evil.example"},
        {"full_name": "x" * 201},
        {"reply_to": "not an address"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"language": "klingon"},
        {"mailbox_size_mb": -1},
        {"mailbox_size_mb": "10"},
        {"mailbox_size_mb": 2**31},
        {"mailbox_size_mb": True},
        {"status": "on holiday"},
        {"pop_access": "yes"},
        {"password": "x"},
        {"role": "system"},
        {"is_primary_administrator": True},
        {"local_part": "eve"},
        {"domain_id": 1},
        {"version": 1},
        {"nonsense": 1},
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    domain = make_domain(None, "alice")
    with pytest.raises(ValuesRefused):
        services.change_user(user=user(domain, "alice"), values=values, by=None)


@pytest.mark.django_db
@pytest.mark.spec("D-040")
def test_the_last_enabled_administrator_stays() -> None:
    domain = make_domain(None, "alice")
    admin, alice = user(domain, "admin"), user(domain, "alice")
    attempts: list[Callable[[], object]] = [
        lambda: services.delete_user(user=admin, by=None),
        lambda: services.change_user(user=admin, values={"status": "disabled"}, by=None),
        lambda: services.change_user(user=admin, values={"status": "receiving"}, by=None),
        lambda: administrators.revoke(user=admin, by=None),
    ]
    for attempt in attempts:
        with pytest.raises(LastAdministrator):
            attempt()
    administrators.grant(user=alice, by=None)
    services.change_user(user=alice, values={"status": "disabled"}, by=None)
    with pytest.raises(LastAdministrator):
        services.delete_user(user=admin, by=None)
    services.change_user(user=alice, values={"status": "enabled"}, by=None)
    services.delete_user(user=admin, by=None)
    assert administrators.primary(domain) == alice, "the next one follows"


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-040")
def test_two_at_once_cannot_remove_both_administrators() -> None:
    domain = make_domain(None, "alice")
    administrators.grant(user=user(domain, "alice"), by=None)
    errors = run_together(
        lambda: services.change_user(
            user=user(domain, "admin"), values={"status": "disabled"}, by=None
        ),
        lambda: services.change_user(
            user=user(domain, "alice"), values={"status": "disabled"}, by=None
        ),
    )
    assert [type(error) for error in errors] == [LastAdministrator]
    assert User.objects.filter(domain=domain, status=Status.ENABLED).count() == 1


@pytest.mark.django_db
@pytest.mark.spec("D-041", "D-042")
def test_another_user_becomes_the_primary_administrator_and_the_former_keeps_the_role() -> None:
    domain = make_domain(None, "alice")
    administrators.appoint(user=user(domain, "alice"), by=None)
    former = user(domain, "admin")
    assert administrators.primary(domain) == user(domain, "alice")
    assert (former.role, former.is_primary_administrator) == (Role.DOMAIN_ADMINISTRATOR, False)
    new = services.add_user(domain=domain, username="carol", is_administrator=True, by=None)
    assert new.role == Role.DOMAIN_ADMINISTRATOR


@pytest.mark.django_db
@pytest.mark.spec("U-010", lacks="the event E-026")
def test_deleting_a_user_takes_the_aliases_that_lead_nowhere_else() -> None:
    domain = make_domain(None, "alice", "bob")
    make_alias(domain, "only", "alice")
    make_alias(domain, "chain", "only")
    make_alias(domain, "both", "alice", "bob")
    other = make_domain()
    make_alias(other, "far", f"alice@{domain.name}")
    services.delete_user(user=user(domain, "alice"), by=None)
    assert [alias.local_part for alias in UserAlias.objects.all()] == ["both"]
    assert aliases.target_names(UserAlias.objects.get()) == ["bob"]
    assert make_user(domain, "alice"), "the name is free again"
    assert not LocalPart.objects.filter(local_part__in=["only", "chain", "far"]).exists()


@pytest.mark.django_db
@pytest.mark.spec("D-007")
def test_a_change_on_top_of_an_unseen_change_is_refused() -> None:
    domain = make_domain(None, "alice")
    alice = user(domain, "alice")
    services.change_user(user=alice, values={"full_name": "A"}, by=None, expected_version=1)
    with pytest.raises(ChangedMeanwhile):
        services.change_user(user=alice, values={"full_name": "B"}, by=None, expected_version=1)


@pytest.mark.django_db
@pytest.mark.spec("X-005")
def test_every_change_is_recorded_with_old_and_new_and_without_secrets() -> None:
    domain = make_domain(None, "alice")
    root, _ = services.create_system_administrator("root")
    alice = user(domain, "alice")
    services.change_user(user=alice, values={"full_name": "Alice"}, by=root)
    services.set_password(user=alice, password="a whole new password", by=root)
    services.delete_user(user=alice, by=root)
    entries = list(AuditEntry.objects.filter(actor_id=root.pk).order_by("pk"))
    assert [entry.verb for entry in entries] == ["changed user", "set password", "deleted user"]
    assert entries[0].changes == {"full_name": ["", "Alice"]}
    assert entries[0].object_name == f"alice@{domain.name}"
    assert entries[1].changes == {"password": ["***", "***"]}


@pytest.mark.django_db
@pytest.mark.spec("X-004")
def test_every_change_leaves_a_durable_note() -> None:
    domain = make_domain(None, "alice")
    alice = user(domain, "alice")
    Change.objects.all().delete()
    services.change_user(user=alice, values={"full_name": "Alice"}, by=None)
    assert [(row.topic, row.key) for row in Change.objects.all()] == [(Topic.ACCOUNT, alice.pk)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("D-008")
def test_a_closed_domain_leaves_no_rows_and_its_folder_has_a_trash_name() -> None:
    domain = make_domain("close.example", "alice")
    make_alias(domain, "sales", "alice")
    other = make_domain(None, "bob")
    make_alias(other, "far", "alice@close.example")
    folder = domain.area.directory
    assert folder.is_dir()
    DELETION.change({"recycle_days": 0}, by=None)
    provisioning.close_domain(domain=domain, by=None)
    assert not folder.exists()
    area = type(domain.area).objects.get(pk=domain.area_id)
    assert area.directory.is_dir()
    assert area.path.startswith("trash/")
    assert not Domain.objects.filter(name="close.example").exists()
    assert not UserAlias.objects.exists()
    assert set(LocalPart.objects.values_list("domain", flat=True)) == {other.pk}
    assert make_domain("close.example"), "the name can be opened again"


@pytest.mark.django_db
@pytest.mark.spec("U-001")
def test_people_without_a_domain_have_names_of_their_own() -> None:
    root, password = services.create_system_administrator("root")
    assert len(password) >= 16
    assert (root.domain, root.role) == (None, Role.SYSTEM_ADMINISTRATOR)
    with pytest.raises(LocalPartTaken):
        services.create_system_administrator("ROOT")
    with pytest.raises(PasswordRefused):
        services.create_system_administrator("second", "short")


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_twice_at_once_is_unknown_the_second_time() -> None:
    domain = make_domain(None, "alice")
    make_alias(domain, "sales", "admin")
    alice, sales = user(domain, "alice"), UserAlias.objects.get(domain=domain)

    def delete_first(pause: Pause) -> None:
        services.delete_user(user=alice, by=None)
        aliases.delete_alias(alias=sales, by=None)
        pause()

    with beside(delete_first), pytest.raises(UserUnknown):
        services.delete_user(user=alice, by=None)
    with pytest.raises(AliasUnknown):
        aliases.change_alias(alias=sales, targets=["admin"], by=None)
    admin = user(domain, "admin")
    provisioning.close_domain(domain=domain, by=None)
    for act in (
        lambda: provisioning.close_domain(domain=domain, by=None),
        lambda: services.change_user(user=admin, values={"full_name": "A"}, by=None),
    ):
        with pytest.raises(DomainUnknown):
            act()
