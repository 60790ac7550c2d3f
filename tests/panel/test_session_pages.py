"""Who is online and connected, as others, too; sent out, dropped, blacklisted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Status, User
from clock.moments import utc_now
from events.models import AuditEntry
from operations.models import BlacklistEntry, Process
from tests.panel.activity import make_connection, make_process
from tests.panel.reading import HOSTILE, LogIn, rows, text
from tests.people import World

pytestmark = pytest.mark.django_db


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
