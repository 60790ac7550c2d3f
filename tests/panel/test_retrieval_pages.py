"""Accounts on other servers, as users and their administrators set them up (N-060, W-005)."""

import re

import pytest

from accounts.models import User
from clock.moments import utc_now
from domains.models import DomainFeatures, DomainLimits
from events.models import AuditEntry
from retrieval import services
from retrieval.models import Kind, RetrievalAccount
from retrieval.trying import MOST_TRIES

pytestmark = pytest.mark.django_db
OWN = "/panel/account/fetched-mail/"
HOSTILE = "<script>alert(1)</script>"
FORM = {
    "kind": "imap", "host": "imap.elsewhere.example", "security": "tls", "port": "",
    "username": "ann@elsewhere.example", "password": "geheim-1", "verify_certificate": "on",
    "afterwards": "keep", "delete_after_days": "30", "target_folder": "INBOX",
    "interval_minutes": "5", "is_enabled": "on",
}  # fmt: skip


def account_of(user: User, **values: object) -> RetrievalAccount:
    given = {"host": "pop.elsewhere.example", "username": "ann", **values}
    return services.add(user=user, kind=Kind.POP3, values=given, password="geheim-1", by=None)


def url_of(row: RetrievalAccount, verb: str = "") -> str:
    return f"/panel/fetched-mail/{row.pk}/{verb}"


@pytest.mark.spec("N-060", lacks="filters of fetched mail")
@pytest.mark.spec("W-005", lacks="webmail, automatic replies, filters and notification profiles")
def test_a_user_sets_up_changes_and_removes_his_own_account(world, log_in):
    client = log_in(world.user)
    assert "No mail is fetched" in client.get(OWN).content.decode()
    answer = client.post(f"{OWN}new/", FORM)
    assert answer.status_code == 302, answer.context["form"].errors
    row = RetrievalAccount.objects.get()
    assert (row.user, row.kind, row.port, row.target_folder) == (world.user, "imap", 993, "INBOX")
    assert services.password_of(row) == "geheim-1"
    assert b"geheim-1" not in bytes(row.password)
    page = client.get(OWN).content.decode()
    assert "ann@elsewhere.example at imap.elsewhere.example" in page
    form = client.get(url_of(row)).content.decode()
    assert "geheim-1" not in form + page
    changed = {**FORM, "port": "993", "interval_minutes": "15", "password": "", "version": "1"}
    assert client.post(url_of(row), changed).status_code == 302
    row.refresh_from_db()
    assert (row.interval_minutes, row.version) == (15, 2)
    assert services.password_of(row) == "geheim-1"
    # Somebody else's page is older than that.
    assert "Somebody else saved" in client.post(url_of(row), changed).content.decode()
    assert client.post(url_of(row, "remove/")).status_code == 302
    assert not RetrievalAccount.objects.exists()
    kept = AuditEntry.objects.filter(object_type="retrieval.retrievalaccount")
    assert sorted(kept.values_list("verb", flat=True)) == [
        "added retrieval account", "changed retrieval account", "removed retrieval account",
    ]  # fmt: skip
    assert "geheim" not in str(list(kept.values()))


@pytest.mark.spec("N-060", lacks="filters of fetched mail")
def test_a_password_is_not_sent_where_somebody_else_has_pointed_the_account(world, log_in):
    row = account_of(world.user)
    client = log_in(world.admin)
    values = {**FORM, "port": "995", "username": "ann", "password": "", "version": "1"}
    for change in (
        {"host": "thief.example"}, {"host": row.host, "security": "none"},
        {"host": row.host, "port": "110"},
    ):  # fmt: skip
        answer = client.post(url_of(row), values | change).content.decode()
        assert "Must be entered again" in answer
    row.refresh_from_db()
    assert (row.host, row.security, row.port) == ("pop.elsewhere.example", "tls", 995)


def test_what_cannot_be_is_told_at_its_field(world, log_in):
    client = log_in(world.user)
    for change, words in (
        ({"host": "no host"}, "Must be a host name or an IP address"),
        ({"host": "x.example\r\nQUIT"}, "host"),
        ({"target_folder": "a//b"}, "A level of it is empty"),
        ({"interval_minutes": "0"}, "greater than or equal to 1"),
        ({"interval_minutes": "1441"}, "less than or equal to 1440"),
        ({"password": ""}, "required"),
        ({"kind": "smtp"}, "Select a valid choice"),
        ({"port": "70000"}, "less than or equal to 65535"),
    ):
        page = client.post(f"{OWN}new/", FORM | change).content.decode()
        assert words in page, change
        assert "geheim-1" not in page
    assert not RetrievalAccount.objects.exists()


@pytest.mark.spec("D-072", "D-073")
def test_switched_off_nothing_can_be_added_and_what_is_there_is_kept(world, log_in):
    row = account_of(world.user)
    DomainFeatures.objects.filter(domain=world.own).update(pop_retrieval=False)
    client = log_in(world.user)
    page = client.get(OWN).content.decode()
    assert "Fetching by POP3 is switched off for the domain" in page and str(row) in page
    answer = client.post(f"{OWN}new/", FORM | {"kind": "pop3"}).content.decode()
    assert "switched off for this domain" in answer
    assert client.post(f"{OWN}new/", FORM).status_code == 302  # by IMAP
    answer = client.post(url_of(row, "fetch/"), follow=True).content.decode()
    assert "fetching is switched off for the domain" in answer
    DomainFeatures.objects.filter(domain=world.own).update(imap_retrieval=False)
    assert "new/" not in client.get(OWN).content.decode()


@pytest.mark.spec("D-088", "D-089")
def test_a_user_has_as_many_accounts_as_his_domain_allows_of_each_kind(world, log_in):
    DomainLimits.objects.filter(domain=world.own).update(
        pop_retrieval_accounts=1, imap_retrieval_accounts=0
    )
    client = log_in(world.user)
    assert client.post(f"{OWN}new/", FORM | {"kind": "pop3"}).status_code == 302
    answer = client.post(f"{OWN}new/", FORM | {"kind": "pop3"}).content.decode()
    assert "The limit of 1 pop retrieval account is reached" in answer
    for _ in range(12):  # 0: no limit
        assert client.post(f"{OWN}new/", FORM).status_code == 302
    assert log_in(world.admin).post(f"{OWN}new/", FORM | {"kind": "pop3"}).status_code == 302


def test_an_administrator_sets_them_up_for_his_users_and_for_nobody_else(world, log_in):
    url = "/panel/domain/own.example/user/alice/fetched-mail/"
    for who in (world.admin, world.reseller, world.root):
        client = log_in(who)
        answer = client.post(f"{url}new/", FORM)
        assert (answer.status_code, answer["Location"]) == (302, url)
        assert "ann@elsewhere.example" in client.get(url).content.decode()
    row = RetrievalAccount.objects.filter(user=world.user).first()
    stranger = User.objects.get(domain=world.other, local_part="alice")
    for who in (world.other_admin, world.other_reseller, stranger):
        client = log_in(who)
        assert client.get(url_of(row)).status_code == 404
        for verb in ("remove/", "fetch/", "test/"):
            assert client.post(url_of(row, verb)).status_code == 404
        assert str(row) not in client.get(OWN).content.decode()
    assert RetrievalAccount.objects.count() == 3


def test_requests_of_other_sites_change_nothing(world):
    from django.test import Client

    row = account_of(world.user)
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.user)
    for url in (f"{OWN}new/", url_of(row), *(url_of(row, f"{v}/") for v in ("remove", "fetch"))):
        assert client.post(url, FORM).status_code == 403, url
    assert RetrievalAccount.objects.count() == 1


def test_what_another_server_says_is_text_and_nothing_else(world, log_in):
    row = account_of(world.user, username=HOSTILE)
    RetrievalAccount.objects.update(
        last_error=f"The server refused name or password: {HOSTILE}", failures=3,
        last_run_at=utc_now(),
    )  # fmt: skip
    for who, url in (
        (world.user, OWN), (world.user, url_of(row)),
        (world.admin, "/panel/domain/own.example/user/alice/fetched-mail/"),
    ):  # fmt: skip
        page = log_in(who).get(url).content.decode()
        assert HOSTILE not in page and "alert(1)" in page
    assert "3 failures in a row" in log_in(world.user).get(OWN).content.decode()


def test_a_test_tells_why_it_fails(world, log_in):
    row = account_of(world.user, host="127.0.0.1")
    page = log_in(world.user).post(url_of(row, "test/"), follow=True).content.decode()
    assert "leads to a private address" in page


def test_tests_beyond_a_number_are_refused_in_words(world, log_in):
    client, url = log_in(world.user), url_of(account_of(world.user, host="10.1.2.3"), "test/")
    for _ in range(MOST_TRIES):
        client.post(url)
    page = client.post(url, follow=True).content.decode()
    assert "No more than 10 log-ins are tried in 10 minutes" in page


def test_adding_and_changing_can_be_taken_back(world, log_in):
    assert (
        "audit/undo"
        not in log_in(world.user)
        .post(f"{OWN}new/", FORM, follow=True)
        .content.decode()
        .partition("</nav>")[2]
    )
    client = log_in(world.admin)
    row = RetrievalAccount.objects.get()
    changed = {**FORM, "port": "993", "interval_minutes": "60", "password": "", "version": "1"}
    page = client.post(url_of(row), changed, follow=True).content.decode()
    operation = re.findall(r'name="operation" value="([0-9a-f]+)"', page)[-1]
    client.post("/panel/audit/undo/", {"operation": operation})
    row.refresh_from_db()
    assert row.interval_minutes == 5
    page = client.post(f"{OWN}new/", FORM, follow=True).content.decode()
    assert RetrievalAccount.objects.count() == 2
    operation = re.findall(r'name="operation" value="([0-9a-f]+)"', page)[-1]
    client.post("/panel/audit/undo/", {"operation": operation})
    assert RetrievalAccount.objects.get() == row


@pytest.mark.browser
def test_the_pages_read_well_everywhere(world, visitor):
    row = account_of(world.user, username="a-long-name-for-logging-in@elsewhere.example")
    account_of(world.user, is_enabled=False, host="imap.other.example")
    RetrievalAccount.objects.filter(pk=row.pk).update(
        last_run_at=utc_now(), failures=4, last_error="The server refused name or password: no."
    )
    window = visitor.log_in(world.user)
    window.inspect(OWN, "fetched-mail")
    window.inspect(f"{OWN}new/", "fetched-mail-new")
    window.inspect(url_of(row), "fetched-mail-account")
