"""Writing to many users: starting, pausing, resuming and cancelling it (B-002…B-017)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import permissions
from accounts.models import Role, User
from accounts.permissions import Verb
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from domains.values import check
from events import audit
from jobs import services as jobs
from jobs.models import ENDED, Job
from messaging import audience as audiences
from messaging.errors import SendingUnknown, StillStopping, WrongState
from messaging.models import Audience, MassMail, Reminder, ReminderOfUser, Sending, State
from messaging.work import remind, write_mail
from protocols.address import Address, MalformedAddress

LONGEST_TEXT = 200_000  # characters
REMINDER_DAYS = 30
SNOOZE = timedelta(hours=1)

S = TypeVar("S", MassMail, Reminder)


def count(actor: User, audience: str, of: str) -> int:
    """How many users a message would go to."""
    return audiences.users(actor, audience, of).count()


@transaction.atomic
def send_mail(
    *,
    audience: str,
    of: str,
    author_name: str,
    subject: str,
    text: str,
    by: User,
    is_html: bool = False,
    reply_to: str = "",
) -> MassMail:
    """Begin to write to the audience. Raises ValuesRefused, NotPermitted."""
    values = {"author_name": author_name, "subject": subject, "reply_to": reply_to}
    row = MassMail(**_checked(MassMail, values), text=_text(text), is_html=is_html)
    if reply_to:
        try:
            Address.parse(reply_to)
        except MalformedAddress as error:
            raise ValuesRefused((Problem("reply_to", error.reason),)) from None
    return _begin(row, audience, of, by)


@transaction.atomic
def send_reminder(
    *, audience: str, of: str, subject: str, text: str, by: User, also_by_mail: bool = False
) -> Reminder:
    """Begin to remind the audience. Raises ValuesRefused, NotPermitted."""
    row = Reminder(
        **_checked(Reminder, {"subject": subject}),
        text=_text(text),
        also_by_mail=also_by_mail,
        expires_at=utc_now() + timedelta(days=REMINDER_DAYS),
    )
    return _begin(row, audience, of, by)


def sendings_for(actor: User, model: type[S]) -> Any:
    """System administrators: all; resellers: their own."""
    rows = model._default_manager.order_by("-id")
    is_system = actor.is_active and actor.role == Role.SYSTEM_ADMINISTRATOR
    return rows if is_system else rows.filter(actor_id=actor.pk)


def sending_for(actor: User, model: type[S], number: int) -> S:
    """Raises SendingUnknown."""
    row: S | None = sendings_for(actor, model).filter(pk=number).first()
    if row is None:
        raise SendingUnknown(number)
    return row


def pause(row: S, *, by: User) -> S:
    """It ends before the next message. Raises WrongState."""
    return _move(row, State.SENDING, State.PAUSED, "paused", by)


def cancel(row: S, *, by: User) -> S:
    """What was sent stays sent. Raises WrongState."""
    before = State.PAUSED if row.state == State.PAUSED else State.SENDING
    return _move(row, before, State.CANCELLED, "cancelled", by)


@transaction.atomic
def resume(row: S, *, by: User) -> S:
    """Go on behind the last user. Raises WrongState; StillStopping until the pause has begun."""
    job = Job.objects.filter(pk=row.job_id or 0).first()
    if row.state == State.PAUSED and job is not None and job.state not in ENDED:
        raise StillStopping
    moved = _move(row, State.PAUSED, State.SENDING, "resumed", by)
    return _start(moved, by)


def unseen(account: User, *, now: datetime) -> list[ReminderOfUser]:
    """The reminders to show to somebody now."""
    rows = ReminderOfUser.objects.filter(
        account_id=account.pk, dismissed_at=None, show_at__lte=now, reminder__expires_at__gt=now
    ).exclude(reminder__state=State.CANCELLED)
    return list(rows.select_related("reminder").order_by("pk")[:5])


def dismiss(account: User, number: int, *, now: datetime) -> bool:
    """Whether there was such a reminder of this user."""
    mine = ReminderOfUser.objects.filter(pk=number, account_id=account.pk, dismissed_at=None)
    return bool(mine.update(dismissed_at=now))


def snooze(account: User, number: int, *, now: datetime) -> bool:
    """Show it again later."""
    mine = ReminderOfUser.objects.filter(pk=number, account_id=account.pk, dismissed_at=None)
    return bool(mine.update(show_at=now + SNOOZE))


def _begin(row: S, audience: str, of: str, by: User) -> S:
    permissions.require(by, Verb.OPEN_DOMAIN)  # system administrators and resellers
    row.audience = Audience(audience)
    row.of = audiences.normal(by, audience, of)
    row.actor_id, row.actor = by.pk, str(by)[:320]
    row.total = count(by, audience, row.of)
    row.created_at = utc_now()
    if not row.total:
        raise ValuesRefused((Problem("audience", "has nobody in it"),))
    row.save()
    verb = "sent mail to many" if isinstance(row, MassMail) else "sent a reminder"
    what = f"{row.get_audience_display()} {row.of}".strip()
    audit.record(by, verb, row, {"to": ("", what), "users": (0, row.total)})
    return _start(row, by)


def _start(row: S, by: User) -> S:
    kind = write_mail if isinstance(row, MassMail) else remind
    row.job_id = jobs.start(kind, by=by, total=row.total, number=row.pk).pk
    row.save(update_fields=["job_id"])
    return row


@transaction.atomic
def _move(row: S, before: State, after: State, word: str, by: User) -> S:
    changed = type(row)._default_manager.filter(pk=row.pk, state=before)
    ended = {"finished_at": utc_now()} if after == State.CANCELLED else {}
    if not changed.update(state=after, **ended):
        raise WrongState(word)
    audit.record(by, f"{word} sending", row)
    row.refresh_from_db()
    return row


def _checked(model: type[Sending], values: Mapping[str, str]) -> dict[str, Any]:
    problems, cleaned = [], {}
    for name, value in values.items():
        try:
            cleaned[name] = check(model._meta.get_field(name), value.strip())
        except ValidationError as error:
            problems.append(Problem(name, " ".join(error.messages)))
    if problems:
        raise ValuesRefused(tuple(problems))
    return cleaned


def _text(text: str) -> str:
    if not text.strip():
        raise ValuesRefused((Problem("text", "must not be empty"),))
    if len(text) > LONGEST_TEXT or "\0" in text:
        raise ValuesRefused((Problem("text", f"must have at most {LONGEST_TEXT} characters"),))
    return text
