"""Mail and reminders to many users, through jobs, spool and mailboxes."""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import timedelta
from email.policy import default
from typing import Any

import pytest

from accounts.errors import NotPermitted
from accounts.models import Role, User
from blobs.committer import stop_process_committer
from blobs.store import locate, read_body
from clock.moments import utc_now
from domains.errors import ValuesRefused
from domains.models import Domain, DomainLimits
from events.models import AuditEntry
from jobs import running
from jobs.models import Job
from mailboxes.models import DomainUsage, Message
from messaging import services, work
from messaging.errors import SendingUnknown, StillStopping, WrongState
from messaging.models import Audience, MassMail, Reminder, ReminderOfUser, State
from spool.models import SpooledMessage
from tests.factories import make_user
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any, tmp_path: Any) -> Iterator[World]:
    settings.MAILHOST_DATA = tmp_path
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    settings.MAILHOST_HOSTNAME = "mx.one.example"
    settings.DEFAULT_FROM_EMAIL = "MailHost <noreply@mx.one.example>"
    yield make_world()
    stop_process_committer()


def send(by: User, audience: str = Audience.ALL, of: str = "", **changes: Any) -> MassMail:
    given = {
        "author_name": "System Administrator",
        "subject": "To {name} of {domain}",
        "text": "Dear {name},\nyou are {address}.\n",
        **changes,
    }
    return services.send_mail(audience=audience, of=of, by=by, **given)


def recipients() -> list[str]:
    rows = SpooledMessage.objects.order_by("pk")
    return sorted(address for row in rows for address in
                  row.recipients.values_list("address", flat=True))  # fmt: skip


def run(row: Any) -> Any:
    running.run_waiting()
    row.refresh_from_db()
    return row


@pytest.mark.spec("B-004", "B-012")
def test_everybody_gets_one_message_of_their_own(world: World) -> None:
    row = run(send(world.root))
    assert (row.state, row.sent, row.total) == (State.DONE, 4, 4)
    assert recipients() == [
        "admin@other.example", "admin@own.example", "alice@other.example", "alice@own.example",
    ]  # fmt: skip
    assert set(SpooledMessage.objects.values_list("recipients_total", flat=True)) == {1}
    assert AuditEntry.objects.filter(verb="sent mail to many", actor="root").exists()


@pytest.mark.spec("B-003", "B-007", "B-010", "B-011")
def test_a_message_says_who_and_what_and_that_a_machine_wrote_it(
    world: World,
) -> None:
    User.objects.filter(pk=world.user.pk).update(full_name="Alicé <x>")
    row = send(
        world.root, Audience.USER, " Alice@ALIAS.example ", is_html=True,
        subject="Für {name}", text="<p>Dear {name}</p>", reply_to="help@own.example",
    )  # fmt: skip
    run(row)
    blob = Message.objects.get().blob_id
    message = email.message_from_bytes(read_body(locate([blob])[blob]), policy=default)
    assert message["To"] == "alice@own.example"
    assert message["Subject"] == "Für Alicé <x>"
    assert message["From"].startswith("System Administrator <noreply@")
    assert (message["Auto-Submitted"], message["Reply-To"]) == (
        "auto-generated", "help@own.example",
    )  # fmt: skip
    text, html = message.iter_parts()  # type: ignore[attr-defined]
    assert text.get_content().strip() == "Dear Alicé <x>"
    assert html.get_content().strip() == "<p>Dear Alicé &lt;x&gt;</p>"


@pytest.mark.spec("B-005", "B-006", "B-008", "B-009")
def test_audiences_are_enabled_users_of_enabled_domains_and_the_unknown_is_refused(
    world: World,
) -> None:
    make_user(world.own, "gone", status="disabled")
    count = services.count
    assert count(world.root, Audience.ALL, "") == 4
    assert count(world.root, Audience.DOMAIN, "own.example") == 2
    assert count(world.root, Audience.ADMINISTRATORS, "") == 2
    User.objects.filter(pk=world.user.pk).update(role=Role.DOMAIN_ADMINISTRATOR)
    assert count(world.root, Audience.ADMINISTRATORS, "") == 3
    Domain.objects.filter(pk=world.other.pk).update(is_disabled=True)
    assert count(world.root, Audience.ALL, "") == 2
    assert send(world.root, Audience.DOMAIN, "ALIAS.example").of == "own.example"
    for audience, of in (
        (Audience.DOMAIN, "nowhere.example"),
        (Audience.USER, "nobody@own.example"),
        (Audience.USER, "gone@own.example"),
        (Audience.DOMAIN, "other.example"),
    ):
        with pytest.raises(ValuesRefused):
            send(world.root, audience, of)


@pytest.mark.spec("B-001")
def test_a_reseller_reaches_his_own_domains_only_and_others_nobody(world: World) -> None:
    row = run(send(world.reseller))
    assert row.total == 2 and {one.partition("@")[2] for one in recipients()} == {"own.example"}
    with pytest.raises(ValuesRefused):
        send(world.reseller, Audience.DOMAIN, "other.example")
    with pytest.raises(SendingUnknown):
        services.sending_for(world.other_reseller, MassMail, row.pk)
    assert services.sending_for(world.root, MassMail, row.pk) == row
    for nobody in (world.admin, world.user):
        with pytest.raises(NotPermitted):
            send(nobody)


def test_headers_cannot_be_added_by_subject_or_name(world: World) -> None:
    for field in ("subject", "author_name", "reply_to"):
        with pytest.raises(ValuesRefused):
            send(world.root, **{field: "x\r\nBcc: evil@example.org"})


def test_a_full_domain_is_reached_all_the_same(world: World) -> None:
    DomainLimits.objects.update(disk_space_mb=1)
    for domain in (world.own, world.other):
        DomainUsage.objects.update_or_create(domain=domain, defaults={"bytes": 2**21})
    assert run(send(world.root)).refused == 0
    assert Message.objects.count() == 4


def test_an_interrupted_sending_goes_on_and_nobody_gets_it_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies in the middle of a batch: some of it is in the spool, none is counted."""
    row = send(world.root)
    sent_before = work._send

    def dying(message: Any) -> str:
        if SpooledMessage.objects.count() == 2:
            raise KeyboardInterrupt
        return sent_before(message)

    monkeypatch.setattr(work, "_send", dying)
    with pytest.raises(KeyboardInterrupt):
        running.run_waiting()
    assert len(recipients()) == 2
    monkeypatch.setattr(work, "_send", sent_before)
    Job.objects.update(state="queued", seen_at=None)
    assert run(row).state == State.DONE
    assert len(recipients()) == len(set(recipients())) == 4


def test_it_is_paused_resumed_and_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BATCH", 1)
    row = send(world.root)
    sent_before = work._send

    def pausing(message: Any) -> str:
        if SpooledMessage.objects.count() == 1:
            services.pause(row, by=world.root)
            with pytest.raises(StillStopping):
                services.resume(row, by=world.root)
        return sent_before(message)

    monkeypatch.setattr(work, "_send", pausing)
    run(row)
    assert (row.state, row.sent, len(recipients())) == (State.PAUSED, 2, 2)
    monkeypatch.setattr(work, "_send", sent_before)
    run(services.resume(row, by=world.root))
    assert (row.state, row.sent, len(recipients())) == (State.DONE, 4, 4)
    with pytest.raises(WrongState):
        services.cancel(row, by=world.root)
    second = send(world.root)
    services.cancel(second, by=world.root)
    assert run(second).state == State.CANCELLED and len(recipients()) == 4


def test_who_may_no_longer_sends_no_more(world: World) -> None:
    row = send(world.root)
    world.root.delete()
    assert run(row).state == State.CANCELLED and recipients() == []


@pytest.mark.spec("B-013", "B-014", "B-015", "B-016")
def test_a_reminder_is_shown_until_it_is_dismissed_put_off_or_old(world: World) -> None:
    row = services.send_reminder(
        audience=Audience.DOMAIN, of="own.example", subject="Maintenance", text="Tonight.",
        by=world.root,
    )  # fmt: skip
    now = utc_now()
    assert services.unseen(world.user, now=now) == []
    assert run(row).state == State.DONE
    now = utc_now()
    (shown,) = services.unseen(world.user, now=now)
    assert (shown.reminder.subject, shown.reminder.text) == ("Maintenance", "Tonight.")
    assert not services.dismiss(world.admin, shown.pk, now=now)
    assert services.snooze(world.user, shown.pk, now=now)
    assert services.unseen(world.user, now=now) == []
    assert services.unseen(world.user, now=now + timedelta(hours=2)) == [shown]
    assert services.unseen(world.user, now=now + timedelta(days=31)) == []
    assert services.dismiss(world.user, shown.pk, now=now)
    assert services.unseen(world.user, now=now + timedelta(hours=2)) == []
    assert work.forget_expired(now=now + timedelta(days=31)) == 2
    assert Reminder.objects.count() == 1 and not ReminderOfUser.objects.exists()


@pytest.mark.spec("B-017", lacks="webmail (it pops up in the panel)")
def test_users_without_access_to_the_web_are_listed_and_written_to_on_request(
    world: World,
) -> None:
    User.objects.filter(pk=world.user.pk).update(webmail_access=False)

    def remind(also_by_mail: bool) -> Reminder:
        sent = services.send_reminder(
            audience=Audience.DOMAIN, of="own.example", subject="Soon", text="Tonight.",
            by=world.root, also_by_mail=also_by_mail,
        )  # fmt: skip
        row: Reminder = run(sent)
        return row

    row = remind(False)
    assert (row.sent, row.notes) == (1, [["alice@own.example", "cannot log in to the web"]])
    assert recipients() == [] and ReminderOfUser.objects.count() == 1
    assert "told by mail" in remind(True).notes[0][1]
    assert recipients() == ["alice@own.example"]
