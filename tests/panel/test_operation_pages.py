"""The operator's pages: what they show, change and refuse."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.inactivity import months_before
from accounts.models import LastActivity, Status, User
from clock.moments import utc_now
from events.models import AuditEntry
from jobs.models import Job, State
from logbook.kinds import Kind as LogKind
from logbook.writer import BOOK
from mailboxes.models import AccountUsage
from operations import blocks, listing, logs, rules
from operations.models import (
    AbuseRule,
    Action,
    BlacklistEntry,
    Block,
    Kind,
    Process,
    ServiceReport,
    ServiceState,
    WhitelistEntry,
)
from tests.factories import make_user
from tests.panel.activity import make_connection, make_job, make_process
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
HOSTILE = '"><script>alert(1)</script>'


def rows(response: Any) -> list[Any]:
    return list(response.context["listing"].rows)


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


# --- services ---


@pytest.mark.spec("M-001", "M-003", "M-004")
def test_services_are_shown_with_state_in_words_reason_and_sessions(
    world: World, log_in: LogIn
) -> None:
    make_process(failing="imap")
    page = log_in(world.root).get("/panel/services/")
    shown = {row.service: row for row in page.context["rows"]}
    assert (shown["smtp"].state, shown["smtp"].colour) == ("Running", "green")
    assert (shown["imap"].state, shown["imap"].colour) == ("Failing", "yellow")
    assert shown["imap"].reason == "port 143 is in use"
    assert not shown["ldap"].is_installed
    assert "Lets mail programs download mail" in text(page)
    assert "Failing: IMAP" in text(page)
    part = log_in(world.root).get("/panel/services/", headers={"HX-Request": "true"})
    assert "<html" not in text(part) and 'id="state-imap" hx-swap-oob' in text(part)


@pytest.mark.spec("M-005", "M-006", "M-007", "M-008")
def test_services_are_switched_by_row_by_selection_and_all_at_once(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)

    def stopped() -> set[str]:
        off = ServiceState.objects.filter(is_wanted=False)
        return set(off.values_list("service", flat=True))

    page = client.post("/panel/services/stop/", {"selected": ["smtp", "pop"]}, follow=True)
    assert stopped() == {"smtp", "pop"}
    assert "Stopped SMTP, POP." in text(page) and "Undo" in text(page)
    assert AuditEntry.objects.filter(verb="stopped service", actor="root").count() == 2
    page = client.post("/panel/services/start/", {"only": "smtp"}, follow=True)
    assert stopped() == {"pop"}
    assert "No process of this service is running" in text(page)  # refused with the reason
    client.post("/panel/services/stop-all/")
    assert stopped() == {"smtp", "pop", "imap", "spool"}
    client.post("/panel/services/start-all/")
    assert stopped() == set()
    for nonsense in ({}, {"selected": ["web", "ldap", "x"]}, {"only": "x", "node": "999999"}):
        assert client.post("/panel/services/stop/", nonsense).status_code == 302
    assert stopped() == set()


@pytest.mark.spec("M-010")
def test_one_machine_is_chosen_where_there_are_several(world: World, log_in: LogIn) -> None:
    make_process(0)
    make_process(7, failing="pop")
    client = log_in(world.root)
    page = client.get("/panel/services/")
    assert [link.label for link in page.context["machines"]] == [
        "All machines", "Machine 0", "Machine 7",
    ]  # fmt: skip
    assert next(r for r in page.context["rows"] if r.service == "pop").state == "Failing"
    page = client.get("/panel/services/?node=0")
    assert next(r for r in page.context["rows"] if r.service == "pop").state == "Running"
    ServiceReport.objects.all().delete()
    client.post("/panel/services/stop/", {"selected": "pop", "node": "7"})
    row = ServiceState.objects.get()
    assert (row.service, row.node, row.is_wanted) == ("pop", 7, False)


# --- online users and connections ---


@pytest.mark.spec("M-020", "M-021", "M-022", "M-023", "M-024", "M-027")
def test_online_users_are_shown_and_found_by_address_domain_ip_and_type(
    world: World, log_in: LogIn
) -> None:
    process = make_process()
    make_connection(process, "imap", user=world.user, client_address="192.0.2.7", minutes=5)
    make_connection(process, "webmail", user=world.other_admin, client_address="2001:db8::9")
    make_connection(process, "pop", user=world.admin)
    make_connection(process, "smtp")
    client = log_in(world.root)

    def found(**query: str) -> list[str]:
        page = client.get("/panel/online-users/", query)
        return sorted(f"{row.local_part}@{row.domain_name}" for row in rows(page))

    both = ["admin@other.example", "alice@own.example"]
    assert found() == both
    page = text(client.get("/panel/online-users/"))
    assert "IMAP" in page and "192.0.2.7" in page and "5 min" in page
    assert found(q="alice") == found(q="own.ex") == found(q="alice@own") == both[1:]
    assert found(q="2001:db8") == found(show="webmail") == found(q="webmail") == both[:1]
    assert found(q="nobody") == []
    Process.objects.update(seen_at=utc_now() - timedelta(minutes=1))
    assert found() == []


@pytest.mark.spec("M-020", "M-025", "M-026")
def test_administrators_act_on_the_sessions_of_their_own_users_alone(
    world: World, log_in: LogIn
) -> None:
    process = make_process()
    mine = make_connection(process, "imap", user=world.user)
    boss = make_connection(process, "imap", user=world.admin)
    theirs = make_connection(process, "imap", user=world.other_admin)
    client = log_in(world.admin)
    assert {row.pk for row in rows(client.get("/panel/online-users/"))} == {mine.pk, boss.pk}
    client.post("/panel/online-users/end/", {"selected": [mine.pk, theirs.pk]})
    assert AuditEntry.objects.filter(verb="ended a session").count() == 1
    client.post("/panel/online-users/disable/", {"selected": [mine.pk, theirs.pk]})
    statuses = dict(User.objects.values_list("pk", "status"))
    assert statuses[world.user.pk] == Status.DISABLED
    assert statuses[world.other_admin.pk] == Status.ENABLED
    page = client.post("/panel/online-users/disable/", {"only": boss.pk}, follow=True)
    assert "last enabled administrator" in text(page)
    assert client.post("/panel/connections/drop/", {"only": theirs.pk}).status_code == 403


@pytest.mark.spec("M-020", "U-060")
def test_who_is_logged_in_as_another_is_shown_and_can_be_sent_out(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    form = {"address": "alice@own.example", "reason": HOSTILE, "is_read_only": "on"}
    window = client.get(client.post("/panel/impersonate/", form)["Location"])["Location"]
    for who, sees, may_end in (
        (world.root, True, True), (world.reseller, True, False), (world.admin, True, False),
        (world.other_admin, False, False), (world.other_reseller, False, False),
    ):  # fmt: skip
        page = log_in(who).get("/panel/online-users/")
        assert (("looks only" in text(page)), ("/impersonation/" in text(page))) == (sees, may_end)
        assert HOSTILE not in text(page)
        if sees:
            [(_, _, address)] = page.context["impersonations"]
            assert bool(address) == (who == world.root)
    [(row, *_)] = client.get("/panel/online-users/").context["impersonations"]
    end = f"/panel/online-users/impersonation/{row.pk}/end/"
    assert log_in(world.admin).post(end).status_code == 403
    assert "has ended meanwhile" in text(log_in(world.other_admin).post(end, follow=True))
    assert client.get(window).status_code == 200
    assert "Ended the impersonation of alice" in text(client.post(end, follow=True))
    assert client.get(window).status_code == 403
    entry = AuditEntry.objects.get(verb="ended impersonation")
    assert entry.changes["because"][1] == "ended by root from the online users"


@pytest.mark.spec("M-040", "M-041", "M-042", "M-043", "M-044", "M-045")
def test_connections_are_shown_by_protocol_and_grouped_by_address(
    world: World, log_in: LogIn
) -> None:
    process = make_process()
    for _ in range(3):
        make_connection(process, "smtp", client_address="192.0.2.7")
    make_connection(process, "imap", user=world.user, client_address="192.0.2.7")
    make_connection(process, "pop", client_address="192.0.2.8")
    make_connection(process, "smtp", client_address="203.0.113.1", is_outbound=True)
    client = log_in(world.root)

    def numbers(show: str = "", **more: str) -> int:
        return len(rows(client.get("/panel/connections/", {"show": show, **more})))

    assert [numbers(), numbers("smtp"), numbers("imap"), numbers("pop")] == [5, 3, 1, 1]
    page = client.get("/panel/connections/", {"show": "outbound"})
    assert [row.peer_name for row in rows(page)] == ["mx.elsewhere.example"]
    page = client.get("/panel/connections/", {"q": "192.0.2.7"})
    assert {row.of_address for row in rows(page)} == {4}
    for shown in ("alice@own.example", "TLSv1.3", "5 min", "2 KB", "3.4 MB", "993"):
        assert shown in text(page)
    assert numbers(q="alice@own") == 1
    parties = client.get("/panel/connections/by-address/").context["parties"]
    assert [(one.client_address, one.connections) for one in parties] == [
        ("192.0.2.7", 4), ("192.0.2.8", 1),
    ]  # fmt: skip


def test_the_number_of_queries_does_not_grow_with_the_rows(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    process = make_process()
    make_connection(process, "imap", user=world.user)
    client = log_in(world.root)

    def more() -> None:
        for number in range(10):
            make_connection(process, "imap", user=make_user(world.own, f"u{make_job().pk}"))
            blocks.add(network=f"198.51.{make_job().pk % 250}.{number}", seconds=60, by=None)
            User.objects.update(created_at=utc_now() - timedelta(days=60))

    for page in ("connections", "online-users", "blocks", "inactive-users", "jobs", "blacklist"):
        growth = queries_grow(client, f"/panel/{page}/", more)
        assert growth.many <= growth.few + 1 <= 16, page


@pytest.mark.spec("M-046", "M-047")
def test_a_party_is_dropped_or_blacklisted_but_never_oneself(world: World, log_in: LogIn) -> None:
    one = make_connection(make_process(), "smtp", client_address="198.51.100.7")
    client = log_in(world.root)
    page = client.post("/panel/connections/drop/", {"only": one.pk}, follow=True)
    assert "Dropped smtp from 198.51.100.7." in text(page)
    assert AuditEntry.objects.filter(verb="dropped a connection").exists()
    url = "/panel/blacklist/new/"
    form = client.get(url, {"network": "198.51.100.7", "services": "smtp"}).context["form"]
    assert (form["network"].value(), form["services"].value()) == ("198.51.100.7", ["smtp"])
    client.post(url, {"network": "198.51.100.0/24", "services": "smtp", "note": "too many"})
    entry = BlacklistEntry.objects.get()
    assert (entry.network, entry.services, entry.note) == ("198.51.100.0/24", ["smtp"], "too many")
    for refused, words in (
        ("127.0.0.1", "must not be locked out"),
        ("203.0.113.0/24", "must not be locked out"),
        ("198.51.100.0/24", "Is listed already"),
        ("nonsense", "neither an IP address nor a network"),
    ):
        page = client.post(url, {"network": refused}, REMOTE_ADDR="203.0.113.5")
        assert words in text(page), refused
    assert BlacklistEntry.objects.count() == 1


# --- blocks, rules, lists ---


@pytest.mark.spec("M-050", "M-051", "M-052", "M-053", "M-055", "M-056")
@pytest.mark.spec("M-054", lacks="the LDAP service, whose sessions a block ends")
def test_blocks_are_shown_by_service_and_kind_and_deleted(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    post = {"network": "198.51.100.1", "service": "imap", "minutes": "10", "note": HOSTILE}
    client.post("/panel/blocks/new/", post)
    blocks.add(network="198.51.100.2", seconds=600, by=None)
    caught = blocks.add(network="198.51.100.3", seconds=600, service="smtp", by=None)
    Block.objects.filter(pk=caught.pk).update(kind=Kind.HARVESTING, hits=12)
    blocks.add(network="198.51.100.4", seconds=600, by=None)
    Block.objects.filter(network="198.51.100.4").update(until=utc_now() - timedelta(seconds=1))

    def found(**query: str) -> list[str]:
        return sorted(row.network[-1] for row in rows(client.get("/panel/blocks/", query)))

    assert found() == ["1", "2", "3"]
    assert found(show="smtp") == ["2", "3"]
    assert found(show="imap") == ["1", "2"]
    assert found(show="pop") == found(show="ldap") == ["2"]
    assert found(show="harvesting") == ["3"]
    assert HOSTILE not in text(client.get("/panel/blocks/"))
    page = client.post("/panel/blocks/delete/", {"only": caught.pk}, follow=True)
    assert "Deleted the block of 198.51.100.3." in text(page)
    assert found() == ["1", "2"]


@pytest.mark.spec("M-060")
def test_rules_are_added_edited_disabled_deleted_and_set_by_presets(
    world: World, log_in: LogIn
) -> None:
    AbuseRule.objects.all().delete()
    client = log_in(world.root)
    new = {
        "kind": "connections", "service": "imap", "threshold": "12", "window_minutes": "5",
        "block_minutes": "7", "action": "block", "description": "Ours", "is_enabled": "on",
    }  # fmt: skip
    assert client.post("/panel/abuse-rules/new/", new).status_code == 302
    rule = AbuseRule.objects.get()
    assert (rule.window_seconds, rule.block_seconds, rule.threshold) == (300, 420, 12)
    page = client.post("/panel/abuse-rules/new/", new)
    assert "Has a rule for this service already" in text(page)
    url = f"/panel/abuse-rules/{rule.pk}/"
    page = client.post(url, {**new, "action": Action.NOTIFY})
    assert "Does not fit the kind" in text(page)
    client.post(url, {**new, "threshold": "13"})
    page = client.post("/panel/abuse-rules/disable/", {"selected": rule.pk}, follow=True)
    assert "Undo" in text(page)
    rule.refresh_from_db()
    assert (rule.threshold, rule.is_enabled) == (13, False)
    client.post("/panel/abuse-rules/delete/", {"only": rule.pk})
    client.post("/panel/abuse-rules/preset/", {"preset": "strict"})
    assert AbuseRule.objects.count() == len(rules.PRESETS["strict"])
    assert client.post("/panel/abuse-rules/preset/", {"preset": "x"}).status_code == 302


@pytest.mark.spec("M-070", "M-071")
@pytest.mark.parametrize("name", ["blacklist", "whitelist"])
def test_lists_are_edited_and_leave_as_the_file_that_they_take(
    world: World, log_in: LogIn, name: str
) -> None:
    model: Any = {"blacklist": BlacklistEntry, "whitelist": WhitelistEntry}[name]
    client = log_in(world.root)
    client.post(f"/panel/{name}/new/", {"network": "198.51.100.0/24", "note": "=cmd()"})
    entry = model.objects.get()
    client.post(f"/panel/{name}/{entry.pk}/", {"services": ["smtp", "web"], "note": "=cmd()"})
    page: Any = client.get(f"/panel/{name}/", {"format": "csv"})
    content = b"".join(page.streaming_content)
    table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert table == [["Network", "Services", "Note"], ["198.51.100.0/24", "smtp web", "'=cmd()"]]
    client.post(f"/panel/{name}/delete/", {"only": entry.pk})
    assert not model.objects.exists()
    more = content + b"nonsense,,<b>\r\n"
    page = client.post(
        f"/panel/{name}/import/", {"file": SimpleUploadedFile("list.csv", more)}, follow=True
    )
    entry = model.objects.get()
    assert (entry.network, entry.services, entry.note) == (
        "198.51.100.0/24", ["smtp", "web"], "=cmd()",
    )  # fmt: skip
    assert "Added 1" in text(page) and "line 3" in text(page)
    bad = SimpleUploadedFile("list.csv", b"\xff\xfe\x00")
    assert "no text file" in text(client.post(f"/panel/{name}/import/", {"file": bad}))


# --- inactive users ---


def seen(user: User, at: datetime, service: str = "imap") -> None:
    LastActivity.objects.update_or_create(user=user, defaults={"at": at, "service": service})


@pytest.mark.spec("M-030", "M-031", "M-032", "M-033", "M-034")
def test_inactive_users_are_those_without_a_log_in_for_the_chosen_time(
    world: World, log_in: LogIn
) -> None:
    now = utc_now()
    ages = {
        "d29": now - timedelta(days=29), "d31": now - timedelta(days=31),
        "d91": now - timedelta(days=91), "m6": months_before(now, 6) - timedelta(hours=1),
        "m12": months_before(now, 12) - timedelta(hours=1),
    }  # fmt: skip
    for name, at in ages.items():
        seen(make_user(world.own, name), at)
    User.objects.filter(pk=world.user.pk).update(created_at=now - timedelta(days=40))
    client = log_in(world.admin)

    def found(show: str = "") -> list[str]:
        page = client.get("/panel/inactive-users/", {"show": show})
        return [row.local_part for row in rows(page)]

    assert found() == found("30d") == ["m12", "m6", "d91", "alice", "d31"]
    assert found("90d") == ["m12", "m6", "d91"]
    assert found("6m") == ["m12", "m6"]
    assert found("12m") == ["m12"]


@pytest.mark.spec("M-035")
def test_inactive_users_are_disabled_deleted_and_exported(world: World, log_in: LogIn) -> None:
    old = utc_now() - timedelta(days=400)
    User.objects.update(created_at=old)
    seen(world.user, old, "pop")
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": 3 * 2**20})
    other = User.objects.get(domain=world.other, local_part="alice")
    client = log_in(world.admin)
    page: Any = client.get("/panel/inactive-users/", {"format": "csv", "q": "alice"})
    content = b"".join(page.streaming_content).decode("utf-8-sig")
    shown = list(csv.reader(io.StringIO(content)))[1]
    assert shown[:2] == ["alice@own.example", "own.example"]
    assert shown[3:] == ["pop", str(3 * 2**20), "Enabled"]
    both = {"selected": [world.user.pk, other.pk]}
    page = client.post("/panel/inactive-users/disable/?show=12m", both, follow=True)
    assert "Disabled alice@own.example." in text(page) and "Undo" in text(page)
    statuses = dict(User.objects.values_list("pk", "status"))
    assert (statuses[world.user.pk], statuses[other.pk]) == (Status.DISABLED, Status.ENABLED)
    page = client.post("/panel/inactive-users/delete/", both)
    assert "alice@own.example" in text(page) and "other.example" not in text(page)
    for typed in ("", "alice@other.example"):
        client.post("/panel/inactive-users/delete/", {**both, "confirmation": typed})
    assert User.objects.filter(pk=world.user.pk).exists()
    typed = {**both, "confirmation": "alice@own.example"}
    client.post("/panel/inactive-users/delete/", typed)
    assert not User.objects.filter(pk=world.user.pk).exists()
    assert User.objects.filter(pk=other.pk).exists()


# --- logs and transcripts ---


@pytest.fixture
def smtp_log(settings: Any, tmp_path: Any) -> None:
    settings.MAILHOST_DATA = tmp_path
    BOOK.open(logs.folder())
    for name, session in (("own", 1), ("other", 2)):
        domains = (f"{name}.example",)
        BOOK.note(LogKind.SMTP, f"mail for {name} {HOSTILE}", session=session, domains=domains)
        BOOK.note(LogKind.SMTP, f"{name} says goodbye", session=session, domains=domains)
    BOOK.flush()


@pytest.mark.spec("M-080", "M-081", "M-082", "M-083", "M-084", "M-086", "M-087")
def test_logs_are_searched_and_downloaded_by_who_may_see_them(
    world: World, log_in: LogIn, smtp_log: None
) -> None:
    root, admin = log_in(world.root), log_in(world.admin)
    url = "/panel/logs/"

    def lines(client: Client, **query: str) -> list[str]:
        return [line.text for line in client.get(url, query).context.get("lines", [])]

    assert len(lines(root)) == 4
    assert HOSTILE not in text(root.get(url))
    assert "Log settings" in text(root.get(url)) and "Log settings" not in text(admin.get(url))
    assert len(lines(root, domain="other.example")) == 2
    assert all("own" in line for line in lines(admin)) and len(lines(admin)) == 2
    assert len(lines(admin, search="OWN mail")) == 1
    page = admin.get(url, {"search": "goodbye", "has_related": "on"})
    assert [line.is_hit for line in page.context["lines"]] == [False, True]
    assert lines(root, type="imap") == []
    page = root.get(url, {"date": "2020-02-02"})
    assert "No log" in text(page) and utc_now().date().isoformat() in text(page)
    assert admin.get(url, {"domain": "other.example"}).status_code == 404
    answer: Any = admin.get(f"{url}download/")
    packed = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    content = packed.read(packed.namelist()[0]).decode()
    assert "mail for own" in content and "other" not in content
    assert AuditEntry.objects.filter(verb="downloaded a log", actor="admin@own.example").exists()


@pytest.mark.spec("M-085")
def test_of_a_long_log_the_newest_megabyte_is_shown(
    world: World, log_in: LogIn, smtp_log: None
) -> None:
    for number in range(1200):
        BOOK.note(LogKind.SMTP, f"{number} {'x' * 1000}", session=3)
    page = log_in(world.root).get("/panel/logs/")
    shown = [line.text for line in page.context["lines"]]
    assert "only the newest 1 MB is shown" in text(page)
    assert " 1199 x" in shown[-1] and " 0 x" not in shown[0]
    assert sum(len(line) + 1 for line in shown) <= 1_048_576


@pytest.mark.spec("M-088")
def test_a_dialogue_is_recorded_until_it_is_stopped(
    world: World, log_in: LogIn, smtp_log: None
) -> None:
    client = log_in(world.root)
    page = client.post("/panel/transcripts/new/", {"subject": "x", "minutes": "10"})
    assert "Must be a mail address or an IP address" in text(page)
    post = {"subject": "alice@own.example", "minutes": "10"}
    page = client.post("/panel/transcripts/new/", post, follow=True)
    assert "Recording alice@own.example now" in text(page)
    row = page.context["row"]
    assert "Recording" in text(client.get("/panel/transcripts/"))
    client.post(f"/panel/transcripts/{row.pk}/stop/")
    assert "Nothing was said" in text(client.get(f"/panel/transcripts/{row.pk}/"))
    row.refresh_from_db()
    assert row.stopped_at is not None


# --- jobs and the first page ---


@pytest.mark.spec("X-007")
def test_jobs_show_progress_and_log_and_are_cancelled(world: World, log_in: LogIn) -> None:
    mine = make_job(world.own.pk, state=State.QUEUED, words=HOSTILE)
    theirs = make_job(world.other.pk)
    failed = make_job(world.own.pk, state=State.FAILED, error="/var/lib/secret")
    client = log_in(world.admin)
    assert [row.pk for row in rows(client.get("/panel/jobs/"))] == [failed.pk, mine.pk]
    page = text(client.get(f"/panel/jobs/{mine.pk}/"))
    assert "40 of 90" in page and "begun" in page and HOSTILE not in page
    assert "/var/lib/secret" not in text(client.get(f"/panel/jobs/{failed.pk}/"))
    assert "/var/lib/secret" in text(log_in(world.root).get(f"/panel/jobs/{failed.pk}/"))
    page = text(client.post(f"/panel/jobs/{mine.pk}/cancel/", follow=True))
    assert "Cancelled “" in page
    page = text(client.post(f"/panel/jobs/{mine.pk}/cancel/", follow=True))
    assert "has ended already" in page
    assert client.post(f"/panel/jobs/{theirs.pk}/cancel/").status_code == 404
    assert Job.objects.get(pk=theirs.pk).state == State.RUNNING


@pytest.mark.spec("M-090")
def test_the_first_page_shows_services_spool_disk_and_connections(
    world: World, log_in: LogIn
) -> None:
    make_connection(make_process(failing="imap"), "pop")
    page = log_in(world.root).get("/panel/")
    content = text(page)
    for shown in ("port 143 is in use", "Messages waiting", "free of", "POP 1, LDAP 0"):
        assert shown in content
    assert [chart.data["type"] for chart in page.context["dashboard"].charts] == ["line", "bar"]
    assert "dashboard" not in log_in(world.reseller).get("/panel/").context


def test_forms_from_elsewhere_are_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.root)
    listing.add(BlacklistEntry, network="192.0.2.1", by=None)
    for url in (
        "services/stop-all/", "connections/drop/", "blacklist/delete/", "abuse-rules/preset/",
        "inactive-users/delete/", "transcripts/new/", "online-users/disable/", "blocks/new/",
    ):  # fmt: skip
        assert client.post(f"/panel/{url}", {"all_matching": "1"}).status_code == 403
    assert BlacklistEntry.objects.exists() and not ServiceState.objects.exists()
