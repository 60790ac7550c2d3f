"""The verbs on web hooks, what they are told, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import secrets as randomness
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts import secrets
from accounts.models import User
from administration.selectors import audit_for, jobs_for
from api.models import Webhook, WebhookDelivery
from domains.errors import LimitReached, Problem, ValuesRefused
from domains.values import replace
from events import audit
from events.audit import Actor
from events.models import AuditEntry

TOPICS = (
    "domain", "user", "useralias", "plan", "gateway", "settings", "spool", "relaying", "blocks",
    "certificate", "messaging", "job", "other",
)  # fmt: skip
# What several kinds of things are told under.
_TOPIC_OF = {
    "spoolchange": "spool", "spooledmessage": "spool", "holdrule": "spool",
    "lostrecord": "spool",
    "relaynetwork": "relaying", "relaydomain": "relaying", "forwardingban": "relaying",
    "block": "blocks", "abuserule": "blocks", "blacklistentry": "blocks",
    "whitelistentry": "blocks", "massmail": "messaging", "reminder": "messaging",
    "loginprovider": "settings",
}  # fmt: skip
MOST_WEBHOOKS = 20  # of one owner
FIELDS = ("url", "topics", "is_enabled")
# A transaction may become visible later than one that began after it: rows of this span are
# looked at again, and a unique event id keeps them from being told twice.
LOOK_BACK = timedelta(minutes=5)
BATCH = 500
KEPT = timedelta(days=7)
# After so long each; then it is given up.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
LONGEST_ERROR = 300
_PURPOSE = "secret of a web hook"


@transaction.atomic
def add(
    *, owner: User, values: Mapping[str, Any], by: Actor | None, now: datetime
) -> tuple[Webhook, str]:
    """A web hook and its secret, which is told this once. Raises ValuesRefused, LimitReached."""
    used = Webhook.objects.filter(owner=owner).count()
    if used >= MOST_WEBHOOKS:
        raise LimitReached(limit="webhooks", allowed=MOST_WEBHOOKS, used=used)
    row = Webhook(owner=owner, created_at=now, read_until=now)
    replace(row, values, fields=FIELDS)
    _check(row)
    secret = randomness.token_urlsafe(32)
    row.secret = secrets.encrypt(_PURPOSE, secret.encode())
    row.save(force_insert=True)
    audit.record(by, "added web hook", row, {"url": (None, row.url)})
    return row, secret


@transaction.atomic
def change(*, webhook: Webhook, values: Mapping[str, Any], by: Actor | None) -> Webhook:
    """Set the given values; the others stay. Raises ValuesRefused."""
    row = Webhook.objects.select_for_update().get(pk=webhook.pk)
    changes = replace(row, values, fields=FIELDS)
    _check(row)
    if changes:
        row.save(update_fields=list(changes))
        audit.record(by, "changed web hook", row, changes)
    return row


@transaction.atomic
def delete(*, webhook: Webhook, by: Actor | None) -> None:
    audit.record(by, "deleted web hook", webhook)
    webhook.delete()


def signature(secret: str, body: bytes, *, now: datetime) -> str:
    """`t=<seconds>,v1=<HMAC-SHA256 of "seconds.body", in hexadecimal>`."""
    seconds = int(now.timestamp())
    proof = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={proof.hexdigest()}"


def secret_of(webhook: Webhook) -> str:
    return secrets.decrypt(_PURPOSE, bytes(webhook.secret)).decode()


def collect(*, now: datetime) -> int:
    """Write down for every web hook what has happened since it was last looked; how many."""
    count = 0
    hooks = Webhook.objects.filter(is_enabled=True, read_until__lt=now)
    for hook in hooks.select_related("owner__domain").order_by("pk"):
        if hook.owner.is_active:
            count += _collect(hook, now)
    return count


def ping(*, webhook: Webhook, now: datetime) -> WebhookDelivery:
    """A delivery that says nothing but that the way is open."""
    event_id = f"ping-{randomness.token_hex(8)}"
    payload = {"id": event_id, "topic": "ping", "at": now.isoformat()}
    return WebhookDelivery.objects.create(
        webhook=webhook, event_id=event_id, payload=payload, created_at=now, due_at=now
    )


def record_outcome(
    delivery: WebhookDelivery, *, status_code: int | None, error: str, now: datetime
) -> None:
    """Any 2xx is the end of it; else it waits for its next time, or is given up."""
    is_done = status_code is not None and 200 <= status_code < 300
    delivery.status_code, delivery.error = status_code, "" if is_done else error[:LONGEST_ERROR]
    if is_done:
        delivery.delivered_at, delivery.due_at = now, None
    elif delivery.attempts <= len(WAITS):
        delivery.due_at = now + WAITS[delivery.attempts - 1]
    else:
        delivery.due_at = None
    delivery.save(update_fields=["status_code", "error", "delivered_at", "due_at"])


def claim(*, now: datetime, besides: Collection[int] = ()) -> WebhookDelivery | None:
    """The next delivery that is due, with its attempt written down before it is tried.

    `besides`: the keys of web hooks that are left out.
    """
    due = WebhookDelivery.objects.filter(due_at__lte=now, webhook__is_enabled=True)
    due = due.exclude(webhook_id__in=besides)
    for key in due.order_by("due_at", "pk").values_list("pk", flat=True)[:10]:
        # Should this process die in the midst of it, it is tried again then.
        taken = WebhookDelivery.objects.filter(pk=key, due_at__lte=now).update(
            attempts=F("attempts") + 1, due_at=now + WAITS[0]
        )
        if taken:
            return WebhookDelivery.objects.select_related("webhook").get(pk=key)
    return None


def forget(*, now: datetime) -> int:
    """Deliveries that are a week old; how many."""
    return WebhookDelivery.objects.filter(created_at__lt=now - KEPT).delete()[0]


def topic_of(entry: AuditEntry) -> str:
    kind = entry.object_type.partition(".")[2]
    if kind.endswith("settings"):
        return "settings"
    kind = _TOPIC_OF.get(kind, kind)
    return kind if kind in TOPICS else "other"


@transaction.atomic
def _collect(hook: Webhook, now: datetime) -> int:
    since = max(hook.read_until - LOOK_BACK, hook.created_at)
    events = [*_changes(hook.owner, since, now), *_ended_jobs(hook.owner, since, now)]
    known = set(
        WebhookDelivery.objects.filter(webhook=hook, created_at__gte=since - LOOK_BACK).values_list(
            "event_id", flat=True
        )
    )
    wanted = [
        event
        for event in sorted(events, key=lambda event: (event.at, event.id))
        if event.id not in known and (not hook.topics or event.topic in hook.topics)
    ]
    told = wanted[:BATCH]
    rows = [
        WebhookDelivery(
            webhook=hook, event_id=event.id, payload=event.payload, created_at=now, due_at=now
        )
        for event in told
    ]
    made = WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
    read_until = told[-1].at if len(wanted) > BATCH else now
    Webhook.objects.filter(pk=hook.pk).update(read_until=read_until)
    return len(made)


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell of, once for each web hook."""

    id: str
    topic: str
    at: datetime
    facts: dict[str, Any]

    @property
    def payload(self) -> dict[str, Any]:
        return {"id": self.id, "topic": self.topic, "at": self.at.isoformat(), **self.facts}


def _changes(owner: User, since: datetime, now: datetime) -> Iterator[Event]:
    """What stands in the audit trail."""
    for entry in audit_for(owner).filter(at__gte=since, at__lt=now):
        facts = {
            "verb": entry.verb,
            "object": {"type": entry.object_type, "name": entry.object_name},
            "actor": entry.actor,
            "changes": entry.changes,
        }
        yield Event(f"audit-{entry.pk}", topic_of(entry), entry.at, facts)


def _ended_jobs(owner: User, since: datetime, now: datetime) -> Iterator[Event]:
    """Long work that is over: whoever began it need not ask again and again."""
    for job in jobs_for(owner).filter(finished_at__gte=since, finished_at__lt=now):
        assert job.finished_at is not None
        facts = {
            "verb": f"job {job.state}",
            "object": {"type": "jobs.job", "name": str(job)},
            "actor": job.actor,
            "changes": {},
            "job": {"id": job.pk, "kind": job.kind, "state": job.state, "done": job.done,
                    "total": job.total},
        }  # fmt: skip
        yield Event(f"job-{job.pk}", "job", job.finished_at, facts)


def _check(row: Webhook) -> None:
    problems = [
        Problem("topics", f"must be of {', '.join(TOPICS)}")
        for topic in row.topics
        if topic not in TOPICS
    ][:1]
    if reason := _fault_of(row.url):
        problems.append(Problem("url", reason))
    if problems:
        raise ValuesRefused(tuple(problems))


def _fault_of(url: str) -> str:
    """Why nothing can be delivered there; empty: it can. Where the name leads is asked later."""
    allowed = ("https", "http") if settings.MAILHOST_PRIVATE_WEBHOOKS else ("https",)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address of the web"
    if parts.scheme not in allowed:
        return f"must begin with {allowed[0]}://"
    if not parts.hostname or parts.username is not None or parts.fragment or port == 0:
        return "must have a host, and neither a user nor a fragment"
    if not url.isascii() or any(c.isspace() for c in url):
        return "must be ASCII without blanks"
    return ""
