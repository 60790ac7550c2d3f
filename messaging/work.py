"""The jobs that write to many users: batch by batch, safe to begin again, nobody twice (B-012)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings as conf
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from accounts.models import User
from clock.moments import utc_now
from jobs.kinds import job
from jobs.progress import Progress
from messaging import audience, words
from messaging.models import MassMail, Reminder, ReminderOfUser, Sending, State
from messaging.words import Recipient
from spool.backend import REFUSALS
from spool.models import Kind, SpooledMessage

BATCH = 50
MOST_NOTES = 200

Batch = Callable[[Any, list[User]], list[tuple[str, str]]]


@job("mass-mail", "Send email to many users")
def write_mail(progress: Progress, *, number: int) -> dict[str, int]:
    """Hands one message for each user to the spool."""
    return _go_through(MassMail, number, progress, _write)


@job("reminder", "Send a reminder")
def remind(progress: Progress, *, number: int) -> dict[str, int]:
    """Lays the reminder out for each user, and writes to those who will not see it, if asked to."""
    return _go_through(Reminder, number, progress, _remind)


def _go_through(model: Any, number: int, progress: Progress, do: Batch) -> dict[str, int]:
    """All users behind the last one, until the sending is paused, cancelled or at its end."""
    while True:
        row = model.objects.filter(pk=number).first()
        if row is None or row.state != State.SENDING or row.job_id != progress.job_id:
            break
        progress.report(row.sent + row.refused, row.total)
        actor = User.objects.filter(pk=row.actor_id).first()
        if actor is None or not actor.is_active:
            progress.note("Whoever asked for it may no longer: cancelled.")
            model.objects.filter(pk=number).update(state=State.CANCELLED, finished_at=utc_now())
            break
        people = list(
            audience.users(actor, row.audience, row.of).filter(pk__gt=row.last_account)[:BATCH]
        )
        if not people:
            model.objects.filter(pk=number, state=State.SENDING).update(
                state=State.DONE, finished_at=utc_now()
            )
            break
        _count(model, number, people, do(row, people))
    row = model.objects.filter(pk=number).first()
    if row is None:
        return {}
    progress.report(row.sent + row.refused, row.total, row.get_state_display())
    return {"sent": row.sent, "refused": row.refused}


@transaction.atomic
def _count(model: Any, number: int, people: list[User], failed: list[tuple[str, str]]) -> None:
    row = model.objects.select_for_update().get(pk=number)
    row.sent += len(people) - len(failed)
    row.refused += len(failed)
    row.notes = [*row.notes, *map(list, failed)][:MOST_NOTES]
    row.last_account = people[-1].pk
    row.save(update_fields=["sent", "refused", "notes", "last_account"])


def _write(row: MassMail, people: list[User]) -> list[tuple[str, str]]:
    failed = []
    sent = _sent_already(row, people)
    for user in people:
        if _message_id(row, user) in sent:
            continue
        to = _recipient(user)
        text = words.filled(row.text, to, is_html=row.is_html)
        message = _message(row, user, words.subject_line(row.subject, to), author=row.author_name)
        message.body = words.plain(text) if row.is_html else text
        if row.is_html:
            message.attach_alternative(text, "text/html")
        message.reply_to = [row.reply_to] if row.reply_to else []
        if reason := _send(message):
            failed.append((to.address, reason))
    return failed


def _remind(row: Reminder, people: list[User]) -> list[tuple[str, str]]:
    """Users without webmail are told of in the result, and may be written to (B-017)."""
    now = utc_now()
    seeing = [user for user in people if user.webmail_access]
    ReminderOfUser.objects.bulk_create(
        [ReminderOfUser(reminder=row, account=user, show_at=now) for user in seeing],
        ignore_conflicts=True,
    )
    return [
        (_recipient(user).address, _by_mail(row, user))
        for user in people
        if not user.webmail_access
    ]


def _by_mail(row: Reminder, user: User) -> str:
    if not row.also_by_mail:
        return "cannot log in to the web"
    if not _sent_already(row, [user]):
        message = _message(row, user, row.subject, author="Reminder")
        message.body = row.text
        if reason := _send(message):
            return f"cannot log in to the web, and mail was refused: {reason}"
    return "cannot log in to the web; told by mail"


def _message(row: Sending, user: User, subject: str, *, author: str) -> EmailMultiAlternatives:
    """To the user alone; exempt from limits of space, and answered by no machine (RFC 3834)."""
    return EmailMultiAlternatives(
        subject,
        from_email=formataddr((author, parseaddr(conf.DEFAULT_FROM_EMAIL)[1])),
        to=[_recipient(user).address],
        headers={
            "Message-ID": f"<{_message_id(row, user)}>",
            "X-MailHost-Kind": Kind.NOTICE.value,
            "Auto-Submitted": "auto-generated",
        },
    )


def _send(message: EmailMultiAlternatives) -> str:
    """Why the spool refused it; empty: it has it."""
    try:
        message.send()
    except REFUSALS as error:
        return str(error)
    return ""


def _sent_already(row: Sending, people: list[User]) -> set[str]:
    """What an earlier run, that ended in the middle of a batch, has handed in."""
    ids = [_message_id(row, user) for user in people]
    known = SpooledMessage.objects.filter(message_id__in=ids)
    return set(known.values_list("message_id", flat=True))


def _message_id(row: Sending, user: User) -> str:
    began = int(row.created_at.timestamp() * 1_000_000)
    kind = "mail" if isinstance(row, MassMail) else "reminder"
    return f"{kind}-{row.pk}-{began:x}-{user.pk}@{conf.MAILHOST_HOSTNAME}"


def _recipient(user: User) -> Recipient:
    assert user.domain is not None, "an audience has users of domains only"
    address = f"{user.local_part}@{user.domain.name}"
    return Recipient(user.full_name or user.local_part, address, user.domain.name)


def forget_expired(*, now: datetime) -> int:
    """Reminders whose days are over."""
    shown, _ = ReminderOfUser.objects.filter(reminder__expires_at__lte=now).delete()
    return shown
