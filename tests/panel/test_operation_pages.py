"""The services, the jobs and the first page of the operator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from clock.moments import utc_now
from events.models import AuditEntry
from jobs.models import Job, State
from operations import blocks, listing
from operations.models import BlacklistEntry, ServiceReport, ServiceState
from operations.servicestate import INSTALLED
from tests.factories import make_user
from tests.panel.activity import make_connection, make_job, make_process
from tests.panel.reading import HOSTILE, LogIn, rows, text
from tests.people import World

pytestmark = pytest.mark.django_db


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
    assert stopped() == set(INSTALLED)
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
