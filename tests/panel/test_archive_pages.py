"""The archive's pages: who searches what, what is on record, and what becomes of the messages.

The engine is the tests' own, so no item of the archive is proven here but in part.
"""

from __future__ import annotations

import io
import mailbox
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client

from accounts import services
from accounts.models import User
from accounts.settings import LOGIN
from archive import exports, tasks
from clock.moments import utc_now
from events.models import AuditEntry
from jobs.models import Job, State
from jobs.progress import Progress
from mailboxes.models import Message
from tests import memories
from tests.archiving import SmallEngine, small_engine
from tests.browser import Visitor
from tests.panel.test_domain_pages import HOSTILE
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
PAGE = "/panel/archive/"
LogIn = Callable[[User], Client]


@pytest.fixture
def archive() -> Iterator[SmallEngine]:
    with small_engine() as engine:
        yield engine


def found(client: Client, **query: str) -> list[str]:
    page = client.get(PAGE, {"search": "1", **query})
    return [row.key for row in page.context["found"].rows]


def finish(job: Job) -> Job:
    """What a worker does."""
    progress = Progress(job_id=job.pk, actor_id=job.actor_id)
    job.result = tasks.export(progress, **job.arguments)
    job.state = State.DONE
    job.save()
    return job


@pytest.mark.spec("A-010", lacks="an archive (the engine is the tests' own)")
def test_without_an_engine_the_page_says_that_archiving_is_not_set_up(
    world: World, log_in: LogIn
) -> None:
    page = log_in(world.root).get(PAGE).content.decode()
    assert "Archiving is not set up" in page
    assert log_in(world.admin).get(PAGE).status_code == 403
    assert PAGE not in log_in(world.admin).get("/panel/").content.decode()


@pytest.mark.spec(
    "A-010", "A-012", "A-013", "A-014", lacks="an archive (the engine is the tests' own)"
)
def test_a_search_finds_what_fits_all_that_is_filled_in(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    one = archive.add(world.own, "Offer of March")
    two = archive.add(world.own, "Bill", sender="boss@own.example", recipients=("x@there.example",))
    three = archive.add(world.other, "Offer of April", recipients=("alice@other.example",))
    client = log_in(world.root)
    assert "found" not in client.get(PAGE).context
    assert found(client) == [three, two, one]
    assert found(client, sender="writer@elsewhere.example") == [three, one]
    assert found(client, sender="@own.example") == [two]
    assert found(client, recipient="alice") == [three, one]
    assert found(client, recipient="alice", subject="offer march") == [one]
    assert found(client, domain="other.example") == [three]
    assert (
        "No messages match" in client.get(PAGE, {"search": "1", "subject": "no"}).content.decode()
    )


@pytest.mark.spec("A-011", lacks="an archive (the engine is the tests' own)")
def test_days_are_whole_and_of_the_searchers_time_zone(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    services.change_user(user=world.root, values={"time_zone": "Europe/Berlin"}, by=None)
    before, first, last, after = (
        archive.add(world.own, at=datetime(2026, 7, day, hour, 59, tzinfo=UTC))
        for day, hour in ((9, 21), (9, 22), (11, 21), (11, 22))
    )
    client = log_in(world.root)
    assert found(client, since="2026-07-10", until="2026-07-11") == [last, first]
    assert found(client, since="2026-07-10") == [after, last, first]
    assert found(client, until="2026-07-11") == [last, first, before]
    page = client.get(PAGE, {"search": "1", "since": "2026-07-12", "until": "2026-07-11"})
    assert "before the first one" in page.content.decode() and "found" not in page.context
    for extreme in ("0001-01-01", "9999-12-31"):
        assert client.get(PAGE, {"search": "1", "until": extreme}).status_code == 200


@pytest.mark.spec("A-008", lacks="archive rules")
@pytest.mark.spec("A-016", lacks="an archive, and webmail around the page")
def test_domain_administrators_search_their_own_domain_where_it_is_archived(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    mine, theirs = archive.add(world.own), archive.add(world.other)
    client = log_in(world.admin)
    assert client.get(PAGE).status_code == 403
    archive.open_for.add(world.own.pk)
    assert f'href="{PAGE}"' in client.get("/panel/").content.decode()
    assert found(client) == found(client, domain="other.example") == [mine]
    for verb in ("", "download/"):
        assert client.get(f"{PAGE}message/{theirs}/{verb}").status_code == 404
        assert client.get(f"{PAGE}message/{mine}/{verb}").status_code == 200
    client.post(f"{PAGE}export/", {"selected": [mine, theirs]})
    assert not Job.objects.exists()
    for other in (world.other_admin, world.user, world.reseller):
        assert log_in(other).get(f"{PAGE}message/{mine}/").status_code == 403
        assert log_in(other).get(PAGE).status_code == 403


@pytest.mark.spec("A-010", lacks="an archive (the engine is the tests' own)")
def test_every_search_and_look_is_on_record(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    key = archive.add(world.own, "Offer")
    client = log_in(world.root)
    found(client, domain="own.example", subject="offer")
    client.get(f"{PAGE}message/{key}/")
    client.get(f"{PAGE}message/{key}/download/")
    entries = AuditEntry.objects.filter(verb__contains="archive").order_by("pk")
    assert [(entry.verb, entry.actor, entry.domain_id) for entry in entries] == [
        ("searched the archive", "root", world.own.pk),
        ("viewed an archived message", "root", world.own.pk),
        ("downloaded an archived message", "root", world.own.pk),
    ]
    assert entries[0].changes["subject"] == [None, "offer"]


@pytest.mark.spec("A-017", lacks="an archive (the engine is the tests' own)")
def test_a_message_is_viewed_without_its_markup_and_downloaded_as_it_came(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    key = archive.add(world.own, HOSTILE, sender=HOSTILE, text=HOSTILE)
    client = log_in(world.root)
    for page in (client.get(PAGE, {"search": "1"}), client.get(f"{PAGE}message/{key}/")):
        assert page.status_code == 200
        assert HOSTILE not in page.content.decode()
    answer = client.get(f"{PAGE}message/{key}/download/")
    assert answer.content == archive.messages[key][1]
    assert answer["Content-Disposition"] == f'attachment; filename="{key}.eml"'
    assert client.get(f"{PAGE}message/nothing/").status_code == 404


@pytest.mark.spec("A-017", lacks="an archive (the engine is the tests' own)")
def test_pages_of_results_lead_to_each_other(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    keys = [archive.add(world.own) for _ in range(51)]
    client = log_in(world.root)
    page = client.get(PAGE, {"search": "1", "sender": "writer"})
    further = client.get(f"{PAGE}?{page.context['next']}")
    assert [row.key for row in further.context["found"].rows] == keys[:1]
    assert archive.searches[-1].sender == "writer"
    assert further.context["next"] == ""


@pytest.mark.spec("A-017", lacks="an archive (the engine is the tests' own)")
def test_chosen_messages_are_exported_by_a_job_for_whoever_asked(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    keys = [archive.add(world.own, f"Number {number}") for number in range(3)]
    client = log_in(world.root)
    data = {"selected": keys[:2], "format": "zip"}
    page = client.post(f"{PAGE}export/?search=1", data, follow=True)
    assert "The file is being made" in page.content.decode()
    job = finish(Job.objects.get())
    assert job.result["messages"] == 2
    fetch = f"{PAGE}export/{job.pk}/"
    assert fetch in client.get(PAGE).content.decode()
    answer = client.get(fetch)
    assert answer["Content-Disposition"].startswith("attachment")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        assert {name: made.read(name) for name in made.namelist()} == {
            f"{key}.eml": archive.messages[key][1] for key in keys[:2]
        }
    archive.open_for.add(world.own.pk)
    assert log_in(world.admin).get(fetch).status_code == 404
    assert client.get(f"{PAGE}export/{job.pk + 1}/").status_code == 404


@pytest.mark.spec("A-017", lacks="an archive (the engine is the tests' own)")
def test_all_that_a_search_finds_is_exported_as_mbox(
    world: World, log_in: LogIn, archive: SmallEngine, tmp_path: Path
) -> None:
    for number in range(3):
        archive.add(world.own, f"Offer {number}", text="one\r\nFrom here on\r\n>From there")
    archive.add(world.own, "Bill")
    client = log_in(world.root)
    data = {"all_matching": "1", "format": "mbox"}
    client.post(f"{PAGE}export/?search=1&subject=offer", data)
    path = exports.file_of(world.root, finish(Job.objects.get()).pk)
    read = [(one["Subject"], one.get_payload()) for one in mailbox.mbox(str(path))]
    assert sorted(subject for subject, _ in read) == ["Offer 0", "Offer 1", "Offer 2"]
    assert all(">From here on" in text and ">>From there" in text for _, text in read)
    client.post(f"{PAGE}export/?search=1", data)
    client.post(f"{PAGE}export/", {})
    assert Job.objects.count() == 1
    old = time.time() - 8 * 24 * 3600
    os.utime(path, (old, old))
    assert exports.forget_old(now=utc_now()) == 1
    assert client.get(f"{PAGE}export/{Job.objects.get().pk}/").status_code == 404


@pytest.mark.spec("U-061")
def test_impersonators_read_no_mail_where_the_provider_forbids_it(
    world: World, log_in: LogIn, archive: SmallEngine
) -> None:
    key = archive.add(world.own)
    archive.open_for.add(world.own.pk)
    client = log_in(world.root)
    answer = client.post("/panel/impersonate/", {"address": "admin@own.example"})
    window = client.get(answer["Location"])["Location"]
    assert client.get(f"{window}archive/message/{key}/").status_code == 200
    LOGIN.change({"impersonators_may_read_mail": False}, by=None)
    LOGIN.forget()
    for page in (f"message/{key}/", f"message/{key}/download/"):
        assert client.get(f"{window}archive/{page}").status_code == 403
    answer = client.post(f"{window}archive/export/", {"selected": [key]})
    assert answer.status_code == 403 and not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("A-017", lacks="an archive (the engine is the tests' own)")
def test_a_message_is_delivered_again_into_a_mailbox(archive: SmallEngine, log_in: LogIn) -> None:
    world = make_world()
    key = archive.add(world.own, "Come back")
    client = log_in(world.root)
    url = f"{PAGE}message/{key}/"
    for address, words in (
        ("nobody@own.example", "There is no user"), ("x@elsewhere.example", "There is no user"),
        ("nonsense", "There is no user"), ("", "This field is required"),
    ):  # fmt: skip
        assert words in client.post(url, {"address": address}).content.decode()
    page = client.post(url, {"address": "alice@own.example"}, follow=True)
    assert "Sent to alice@own.example once more" in page.content.decode()
    row = Message.objects.get(folder__account=world.user)
    assert row.size_bytes > len(archive.messages[key][1])
    services.change_user(user=world.user, values={"status": "disabled"}, by=None)
    memories.forget_everything()
    page = client.post(url, {"address": "alice@own.example"})
    assert "does not take it" in page.content.decode()
    archive.open_for.add(world.own.pk)
    page = log_in(world.admin).post(url, {"address": "alice@other.example"})
    assert "There is no user" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_pages_in_a_browser(visitor: Visitor, archive: SmallEngine) -> None:
    world = make_world()
    for number in range(3):
        archive.add(world.own, f"An offer with a long subject, number {number}")
    visitor.log_in(world.root)
    page = visitor.go(PAGE)
    page.get_by_label("Subject", exact=True).fill("offer")
    page.get_by_role("button", name="Search", exact=True).click()
    visitor.inspect(page.url.removeprefix(visitor.address), "archive-found")
    visitor.inspect(f"{PAGE}message/m1/", "archive-message")
