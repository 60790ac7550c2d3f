"""The users of a domain in the panel: the list, the page of one, and files of many."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import usercsv
from accounts.models import LastActivity, Role, Status, User
from domains.models import DomainFeatures, DomainLimits
from events.models import AuditEntry
from jobs.models import Job, State
from jobs.running import run_waiting
from mailboxes.models import AccountUsage
from tests.factories import PASSWORD, make_user
from tests.panel.test_domain_pages import filled
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
LIST = "/panel/domain/own.example/users/"
NEW = f"{LIST}new/"
ALICE = "/panel/domain/own.example/user/alice/"
IMPORT = f"{LIST}import/"
HOSTILE = "<script>alert(1)</script>"


def names(response: Any) -> list[str]:
    return [row.local_part for row in response.context["listing"].rows]


def text_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


@pytest.mark.spec("U-010", lacks="the event E-026")
def test_the_list_shows_name_space_status_forward_and_last_login(
    world: World, log_in: LogIn
) -> None:
    User.objects.filter(pk=world.user.pk).update(
        full_name="Alice A.", mailbox_size_mb=10, forward_to=["a@far.example", "b@far.example"]
    )
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": 8 * 2**20})
    at = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    LastActivity.objects.create(user=world.user, at=at, service="imap", client_address="192.0.2.7")
    for who in (world.admin, world.reseller, world.root):
        page = log_in(who).get(LIST)
        assert names(page) == ["admin", "alice"]
        text = page.content.decode()
        for said in ("alice@own.example", "Alice A.", "8 MB", "80%", "2026-03-04 05:06", "never",
                     "a@far.example, b@far.example"):  # fmt: skip
            assert said in text


def test_the_list_filters_and_sorts(world: World, log_in: LogIn) -> None:
    make_user(world.own, "bob", full_name="Robert", status="disabled")
    make_user(world.own, "carol", mailbox_size_mb=1)
    carol = User.objects.get(local_part="carol")
    AccountUsage.objects.update_or_create(account=carol, defaults={"bytes": 2**20})
    client = log_in(world.admin)
    for query, expected in (
        ({"q": "robert"}, ["bob"]),
        ({"q": "bob@own"}, ["bob"]),
        ({"show": "disabled"}, ["bob"]),
        ({"show": "enabled"}, ["admin", "alice", "carol"]),
        ({"show": "administrators"}, ["admin"]),
        ({"show": "full"}, ["carol"]),
        ({"sort": "-disk_used", "size": "25"}, ["carol", "admin", "alice", "bob"]),
    ):
        assert names(client.get(LIST, query)) == expected, query


def test_the_number_of_queries_does_not_grow_with_the_users(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    def more() -> None:
        for number in range(10):
            make_user(world.own, f"more{number}")

    growth = queries_grow(log_in(world.admin), LIST, more)
    assert growth.many == growth.few <= 14


@pytest.mark.spec("U-011", "U-012", "U-013", "U-014")
@pytest.mark.spec("U-002")
def test_a_domain_administrator_adds_a_user(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    new = {
        "profile__username": "Nina", "profile__full_name": "Nina N.", "profile__language": "de",
        "profile__time_zone": "Europe/Berlin", "mailbox__mailbox_size_mb": "50",
    }  # fmt: skip
    page = client.post(NEW, filled(client, NEW, **new, profile__password="short"))
    assert "fewer than 10 characters" in page.content.decode()
    page = client.post(NEW, filled(client, NEW, **{**new, "profile__username": "sales"}))
    assert "“sales” is taken by a user alias." in page.content.decode()
    page = client.post(NEW, filled(client, NEW, **new, profile__reply_to="no address"))
    assert page.context["tabbed"].active == "profile" and page.status_code == 200
    page = client.post(NEW, filled(client, NEW, **new, profile__password=PASSWORD), follow=True)
    assert "Added nina@own.example." in page.content.decode()
    nina = User.objects.get(local_part="nina")
    assert (nina.full_name, nina.time_zone, nina.language, nina.mailbox_size_mb, nina.role) == (
        "Nina N.", "Europe/Berlin", "de", 50, Role.USER,
    )  # fmt: skip
    assert nina.has_usable_password()
    assert AuditEntry.objects.get(verb="added user", object_id=nina.pk).actor == "admin@own.example"


@pytest.mark.spec("N-053", lacks="photos, and contacts, which have no room yet")
def test_an_administrator_sets_the_contact_details_of_a_user(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    data = filled(client, ALICE, contact__company="ACME <b>", contact__mobile="+49 170 1")
    page = client.post(ALICE, data, follow=True).content.decode()
    assert "ACME &lt;b&gt;" in page and "ACME <b>" not in page
    alice = User.objects.get(local_part="alice", domain=world.own)
    assert (alice.company, alice.mobile) == ("ACME <b>", "+49 170 1")
    entry = AuditEntry.objects.get(verb="changed user", object_id=alice.pk)
    assert entry.changes["company"] == ["", "ACME <b>"]


@pytest.mark.spec("D-085")
def test_a_full_domain_gets_no_further_user(world: World, log_in: LogIn) -> None:
    DomainLimits.objects.filter(domain=world.own).update(users=2)
    client = log_in(world.admin)
    page = client.post(NEW, filled(client, NEW, profile__username="nina"))
    assert "The limit of 2 users is reached (2 in use)." in page.content.decode()


@pytest.mark.spec("U-016", "U-020", "U-021", "U-022", "U-023")
@pytest.mark.spec("U-017", lacks="the Global Address List in webmail")
@pytest.mark.spec("U-018", lacks="greylisting")
def test_one_save_changes_all_tabs_of_a_user(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    data = filled(
        client, ALICE, mailbox__status="receiving", mailbox__hide_from_address_list="on",
        mailbox__disable_greylisting="on", mailbox__is_administrator="on", access__pop_access=None,
        access__imap_access=None, access__smtp_access=None, access__webmail_access=None,
        password__password="another long secret", password__password_locked="on",
    )  # fmt: skip
    assert client.post(ALICE, data).status_code == 302
    alice = User.objects.get(pk=world.user.pk)
    assert (alice.status, alice.role) == (Status.DISABLED_RECEIVING, Role.DOMAIN_ADMINISTRATOR)
    assert alice.hide_from_address_list and alice.disable_greylisting and alice.password_locked
    assert not (alice.pop_access or alice.imap_access or alice.smtp_access or alice.webmail_access)
    assert alice.password != world.user.password


@pytest.mark.spec("D-066")
@pytest.mark.spec("D-060", lacks="webmail, DAV and SyncML behind the same gate")
def test_service_access_is_hidden_and_refused_where_the_feature_is_off(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.admin)
    data = filled(client, ALICE, access__pop_access=None)
    DomainFeatures.objects.filter(domain=world.own).update(service_access_control=False)
    assert "Service access" not in client.get(ALICE).content.decode()
    client.post(ALICE, data)
    assert User.objects.get(pk=world.user.pk).pop_access
    # Those above the domain keep it (D-016).
    root = log_in(world.root)
    root.post(ALICE, filled(root, ALICE, access__pop_access=None))
    assert not User.objects.get(pk=world.user.pk).pop_access


def test_a_domain_administrator_cannot_set_what_an_hour_allows(world: World, log_in: LogIn) -> None:
    client, name = log_in(world.admin), "outgoing_messages_per_hour_enabled"
    assert "Sending" not in [tab.label for tab in client.get(ALICE).context["tabbed"]]
    client.post(ALICE, filled(client, ALICE, **{f"sending__{name}": "on"}))
    assert not getattr(User.objects.get(pk=world.user.pk), name)
    reseller = log_in(world.reseller)
    reseller.post(ALICE, filled(reseller, ALICE, **{f"sending__{name}": "on"}))
    assert getattr(User.objects.get(pk=world.user.pk), name)


def test_who_saves_a_user_second_is_told(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    first, second = (filled(client, ALICE, profile__full_name=name) for name in ("One", "Two"))
    assert client.post(ALICE, first).status_code == 302
    page = client.post(ALICE, second)
    assert "Somebody else saved this page" in page.content.decode()
    assert User.objects.get(pk=world.user.pk).full_name == "One"


def test_an_administrator_who_sets_his_own_password_stays_logged_in(
    world: World, log_in: LogIn
) -> None:
    client, url = log_in(world.admin), ALICE.replace("alice", "admin")
    client.post(url, filled(client, url, password__password="another long secret"))
    assert client.get(url).status_code == 200


@pytest.mark.spec("D-040", "X-006")
def test_several_users_are_disabled_and_the_last_administrator_is_not(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.reseller)
    page = client.post(f"{LIST}disable/", {"selected": ["admin", "alice"]}, follow=True)
    text = page.content.decode()
    assert "Disabled alice@own.example." in text and "Undo" in text
    assert "is the last enabled administrator" in text
    assert list(User.objects.filter(status=Status.DISABLED)) == [world.user]
    client.post(f"{LIST}enable/", {"selected": ["alice"]})
    assert not User.objects.filter(status=Status.DISABLED).exists()


@pytest.mark.django_db(transaction=True)
def test_a_user_is_deleted_only_when_the_address_is_typed(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    for typed in (None, "", "yes", "bob@own.example"):
        data = {"selected": "alice"} | ({} if typed is None else {"confirmation": typed})
        assert "cannot be undone" in client.post(f"{LIST}delete/", data).content.decode()
    data = {"selected": "alice", "confirmation": "alice@own.example"}
    page = client.post(f"{LIST}delete/", data, follow=True)
    assert "Deleted alice@own.example." in page.content.decode()
    assert not User.objects.filter(pk=world.user.pk).exists()
    data = {"only": "admin", "confirmation": "admin@own.example"}
    page = client.post(f"{LIST}delete/", data, follow=True)
    assert "last enabled administrator" in page.content.decode()


def test_users_of_others_are_out_of_reach_by_any_way(world: World, log_in: LogIn) -> None:
    for who in (world.other_admin, world.other_reseller):
        client = log_in(who)
        for url in (f"{LIST}disable/", f"{LIST}delete/", f"{IMPORT}run/", ALICE, NEW):
            assert client.post(url, {"selected": "alice"}).status_code == 404
    own = log_in(world.admin)
    own.post("/panel/domain/own.example/users/disable/", {"selected": ["alice@other.example"]})
    assert not User.objects.filter(status=Status.DISABLED).exists()


def test_markup_of_users_is_only_text(world: World, log_in: LogIn) -> None:
    User.objects.filter(domain=world.own).update(full_name=HOSTILE, reply_to=HOSTILE)
    client = log_in(world.admin)
    pages = [client.get(LIST), client.get(ALICE), client.get(LIST, {"q": f'">{HOSTILE}'})]
    pages.append(upload(client, f"username,full_name\n{HOSTILE},{HOSTILE}\n"))
    for page in pages:
        assert page.status_code == 200 and HOSTILE not in page.content.decode()


def test_forms_about_users_from_elsewhere_are_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.admin)
    for url in (NEW, ALICE, f"{LIST}disable/", f"{LIST}delete/", IMPORT, f"{IMPORT}run/"):
        assert client.post(url, {"selected": "alice"}).status_code == 403


# --- files -----------------------------------------------------------------------------------


def upload(client: Client, text: str | bytes, existing: str = "leave") -> Any:
    content = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("users.csv", content, content_type="text/csv")
    return client.post(IMPORT, {"file": file, "existing": existing})


def test_an_exported_list_begins_no_formula_and_can_be_imported_again(
    world: World, log_in: LogIn
) -> None:
    User.objects.filter(pk=world.user.pk).update(full_name="=HYPERLINK(1)", pop_access=False)
    client = log_in(world.admin)
    text = text_of(client.get(LIST, {"format": "csv"}))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == usercsv.COLUMNS
    assert [(row["username"], row["password"], row["full_name"]) for row in rows] == [
        ("admin", "", ""), ("alice", "", "'=HYPERLINK(1)"),
    ]  # fmt: skip
    assert world.user.password not in text
    User.objects.filter(pk=world.user.pk).update(full_name="", pop_access=True)
    upload(client, text, "change")
    page = client.post(f"{IMPORT}run/", follow=True)
    assert "Imported users: 0 added, 2 changed." in page.content.decode()
    alice = User.objects.get(pk=world.user.pk)
    assert (alice.full_name, alice.pop_access) == ("=HYPERLINK(1)", False)
    assert alice.password == world.user.password


def test_the_preview_tells_errors_by_line_and_changes_nothing(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    page = upload(
        client,
        "username;password;mailbox_size_mb;pop_access\n"
        f"nina;{PASSWORD};10;no\n"
        "sales;;;\n"
        "alice;;;\n"
        "weak;123;;\n"
        "nina;;;\n"
        "bad name;;;\n"
        "big;;many;perhaps\n"
        "bob@other.example;;;\n"
        "oscar@own.example;;;\n",
    )
    problems = {one.line.number: " ".join(one.line.problems) for one in page.context["shown"]}
    assert problems[2] == problems[4] == problems[10] == ""
    for number, said in (
        (3, "taken by a user alias"), (5, "fewer than 10 characters"),
        (6, "stands in line 2 already"), (7, "use letters"), (8, "whole number"),
        (8, "yes or no"), (9, "other.example is not this domain"),
    ):  # fmt: skip
        assert said in problems[number]
    assert [page.context[key] for key in ("adding", "leaving", "refused")] == [2, 1, 6]
    assert PASSWORD not in page.content.decode()
    assert PASSWORD not in str(dict(client.session))
    assert not User.objects.filter(local_part="nina").exists()
    client.post(f"{IMPORT}run/")
    nina = User.objects.get(local_part="nina")
    assert (nina.mailbox_size_mb, nina.pop_access, nina.has_usable_password()) == (10, False, True)
    assert not User.objects.get(local_part="oscar").has_usable_password()
    page = client.post(f"{IMPORT}run/", follow=True)
    assert "upload the file again" in page.content.decode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must name the columns"),
        ("full_name\nX\n", "must name the columns"),
        ("username,role\nx,root\n", "no column “role”"),
        ("username,username\nx,y\n", "comes twice"),
        ("username\n", "names no user"),
        (b"username\n\xff\xfe\n", "not UTF-8"),
        ("username\n\0\n", "no text"),
        ('username\n"open\n', "no CSV"),
        ("username\n" + "x" * (2 * 2**20), "larger than 2 MB"),
        ("username\n" + "x\n" * 10_001, "more than 10,000 users"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(
    content: str | bytes, said: str, world: World, log_in: LogIn
) -> None:
    page = upload(log_in(world.admin), content)
    # An empty file is refused by the form itself.
    assert page.status_code == 200 and (said in page.content.decode() or not content)
    assert page.context["form"].errors["file"]


def test_what_a_role_may_not_set_it_may_not_import(world: World, log_in: LogIn) -> None:
    DomainFeatures.objects.filter(domain=world.own).update(service_access_control=False)
    page = upload(log_in(world.admin), "username,pop_access\nnina,no\n")
    assert "service access control is off" in page.content.decode()
    page = upload(log_in(world.root), "username,pop_access\nnina,no\n")
    assert page.context["adding"] == 1


@pytest.mark.spec("X-007")
@pytest.mark.django_db(transaction=True)
def test_many_users_are_imported_by_a_job_up_to_the_limit(world: World, log_in: LogIn) -> None:
    DomainLimits.objects.filter(domain=world.own).update(users=22)
    client = log_in(world.admin)
    page = upload(client, "username\n" + "".join(f"u{number}\n" for number in range(25)))
    assert "room for 20 more users" in page.content.decode()
    page = client.post(f"{IMPORT}run/")
    url = page["Location"]
    assert "Cancel the import" in client.get(url).content.decode()
    assert "username" not in str(Job.objects.get().arguments)
    run_waiting()
    assert Job.objects.get().state == State.DONE, Job.objects.get().error
    assert User.objects.filter(domain=world.own).count() == 22
    text = client.get(url).content.decode()
    assert "20 added" in text and "5 refused" in text and "Line 22, u20" in text
    assert AuditEntry.objects.filter(verb="added user", actor="admin@own.example").count() == 20
    assert log_in(world.other_admin).get(url).status_code == 404
    part = client.get(url, headers={"HX-Target": "import"}).content.decode()
    assert "<html" not in part
