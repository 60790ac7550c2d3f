"""A trace in finished English sentences, for people who ask where a message is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from blobs.ids import encode_id
from clock.moments import from_micros, to_micros
from spool import lostenvelopes, throttle
from spool.models import (
    DeliveryAttempt,
    Origin,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    State,
    ThrottleCrossing,
    TraceEntry,
)
from spool.throttle import Reason
from spool.trace import Trace
from units import moments

_ORIGINS = {
    Origin.SMTP: "by another server",
    Origin.SUBMISSION: "by a user's mail program",
    Origin.RELAY: "by a machine that may send without logging in",
    Origin.WEBMAIL: "in webmail",
    Origin.API: "through the API",
    Origin.RETRIEVAL: "as mail fetched from another server",
    Origin.SERVER: "by this server itself",
}
_KINDS = {
    "list": "It is a post of a mailing list.",
    "autoresponder": "It is an automatic reply.",
    "bounce": "It is a report about another message.",
    "report": "It is a report of the server.",
    "notice": "It is a notice of the server.",
    "event": "It was caused by an event.",
}
_STEPS = {
    "alias": "The alias {address} leads to {targets}.",
    "catch-all": "No mailbox has the address {address}: the catch-all leads to {targets}.",
    "forward": "The mail of {address} is forwarded: it goes to {targets}.",
    "circle": "It was sent on from {address} before, so it does not go to {targets} again.",
    "returned": "{address} is a sender made here for forwarded mail: the report goes to {targets}.",
    "list": "It goes to subscribers of {address}.",
    "command": "{address} takes commands for mailing lists.",
    "spf": "The sender had not logged in: the SPF record of {address} permits its server.",
    "role": "{address} is read by the domain's administrator, {targets}.",
}
_RULES = {
    "manual": "it was set by hand",
    "attempt_x": "so many tries have failed (attempt X)",
    "attempt_y": "so many tries have failed (attempt Y)",
    "mailing_lists": "that is the domain's priority for mailing lists",
    "auto_responders": "that is the domain's priority for automatic replies",
    "bounces": "that is the domain's priority for bounces",
    "email_reports": "that is the domain's priority for reports",
    "event_emails": "that is the domain's priority for event mail",
    "over_size": "it is over the domain's size threshold",
    "standard": "that is the domain's priority for ordinary mail",
}
_OF_LISTS = {
    "posted": "it was posted to {list}, which then had {subscribers} subscribers: {reason}.",
    "answered": "what it asks for was done, and {to} was answered by {reply}.",
    "discarded": "nothing came of it: {reason}.",
    "held for moderation": "it waits for a moderator of {list}: {reason}.",
    "bounce counted": "it was counted as a bounce of {subscriber}, whose score is {score} now.",
}
_ENDS = {
    State.BOUNCED: "Delivery failed for good on {at}.",
    State.EXPIRED: "Patience ended on {at}: no further try is made.",
    State.DISCARDED: "A rule discarded it on {at}.",
    State.DELETED: "An administrator deleted it from the spool on {at}.",
}


def tell(trace: Trace, *, now: datetime) -> str:
    """The whole story of one message."""
    lines = [*_tell_acceptance(trace.message)]
    lines += [f"  {line}" for line in _tell_decisions(trace.message)]
    for recipient in trace.recipients:
        lines += ["", f"  To {recipient.address}{_original(recipient)}:"]
        story = _tell_recipient(trace.message, recipient, trace.attempts[recipient.pk], now)
        lines += [f"    {line}" for line in story]
    about_all = [line for entry in trace.entries for line in _tell_entry(entry)]
    if about_all:
        lines += ["", *(f"  {line}" for line in about_all)]
    if trace.crossings:
        lines += ["", *(f"  {_tell_limit(crossing)}" for crossing in trace.crossings)]
    return "\n".join(lines) + "\n"


def tell_refused(refused: RefusedMail) -> str:
    """Why mail was never accepted."""
    who = refused.client_address or "this server, which had found it after a crash,"
    if refused.client_name:
        who += f" (calling itself {refused.client_name})"
    return (
        f"On {_at(refused.at)} {who} tried to hand in mail from {_sender(refused.sender)} for "
        f"{refused.recipient or 'nobody named'}. It was not accepted: “{refused.reply}”\n"
    )


def _tell_acceptance(message: SpooledMessage) -> Iterator[str]:
    named = f" (Message-ID <{message.message_id}>)" if message.message_id else ""
    yield f"Message {encode_id(message.pk)}{named}"
    origin = _ORIGINS.get(Origin(message.origin), "")
    count = message.recipients_total
    whom = "one recipient" if count == 1 else f"{count} recipients"
    yield (
        f"  It was handed in {origin} on {_at(message.accepted_at)}, from"
        f" {_sender(message.sender)} for {whom}, {message.size_bytes:,} bytes."
    )
    if message.origin == Origin.RETRIEVAL:
        yield f"  It was fetched from {message.client_name} by {message.protocol}."
    if message.client_address:
        name = f", which called itself {message.client_name}" if message.client_name else ""
        by = f" ({message.protocol})" if message.protocol else ""
        yield f"  It came from {message.client_address}{name}{by}."
    if message.sender_account is not None:
        yield f"  The sender was logged in as {message.sender_account}."


def _tell_decisions(message: SpooledMessage) -> Iterator[str]:
    if message.kind in _KINDS:
        yield _KINDS[message.kind]
    for decision in message.decisions:
        step = decision.get("step", "")
        if step in _STEPS:
            targets = _and(decision.get("targets", []))
            yield _STEPS[step].format(address=decision.get("address", ""), targets=targets)
        elif step == "quarantine":
            rule = f" by hold rule {decision['rule']}" if "rule" in decision else ""
            whose = f"Mail to {decision['address']}" if "address" in decision else "It"
            yield f"{whose} was put into quarantine{rule}: {decision.get('reason')}."
        elif step == "priority":
            reason = _RULES.get(decision.get("rule", ""), "")
            yield f"Its priority is {decision.get('value')}, for {reason}."
        elif step == "subscriber left out":
            yield f"{decision.get('address')} gets no copy: {decision.get('reason')}."
        elif step == lostenvelopes.STEP:
            handed_in = _at(from_micros(decision.get("at", 0)))
            yield (
                f"It was found after a crash: whoever handed it in on {handed_in} had not been"
                " answered."
            )
        else:
            yield f"{step}: {_facts(decision)}"


def _tell_recipient(
    message: SpooledMessage,
    recipient: SpooledRecipient,
    attempts: list[DeliveryAttempt],
    now: datetime,
) -> Iterator[str]:
    for attempt in attempts:
        yield _tell_attempt(attempt)
    state = State(recipient.state)
    if recipient.was_removed:
        yield f"It was removed from quarantine on {_at(recipient.ended_at)}: its time was over."
        yield "Its sender gets no report of that."
    elif state == State.DELIVERED:
        mailbox = f" of {recipient.account}" if recipient.account else ""
        where = f" (folder {recipient.folder_id}, UID {recipient.uid})" if recipient.uid else ""
        yield f"It was put into the mailbox{mailbox} on {_at(recipient.ended_at)}{where}."
    elif state == State.RELAYED:
        yield (
            f"It was handed over on {_at(recipient.ended_at)}. From then on the other server"
            f" is responsible; its words were: “{recipient.reply}”"
        )
    elif state in _ENDS:
        yield _ENDS[state].format(at=_at(recipient.ended_at))
        if recipient.reply and not attempts:
            yield f"The reason: “{recipient.reply}”"
        if state in (State.BOUNCED, State.EXPIRED):
            yield from _tell_who_is_told(message, recipient)
    else:
        yield from _tell_waiting(message, recipient, state, now)


def _tell_attempt(attempt: DeliveryAttempt) -> str:
    begin = f"Try {attempt.number} on {_at(attempt.started_at)}"
    if attempt.finished_at is None:
        return f"{begin} was broken off: {attempt.reply[:1].lower()}{attempt.reply[1:]}."
    seconds = (attempt.finished_at - attempt.started_at).total_seconds()
    server = attempt.host
    if attempt.host_address and attempt.host_address != attempt.host:
        server = f"{attempt.host} [{attempt.host_address}]"
    how = f", encrypted with {attempt.tls}," if attempt.tls else ""
    result = {
        DeliveryAttempt.Outcome.DELIVERED: "took the message",
        DeliveryAttempt.Outcome.DEFERRED: "did not take it yet",
        DeliveryAttempt.Outcome.FAILED: "refused it",
    }[DeliveryAttempt.Outcome(attempt.outcome)]
    who = server or "this server"
    words = f"{begin}: {who}{how} {result} after {seconds:.1f} s: “{attempt.reply}”"
    return f"{words} A fault of this server is on record." if attempt.traceback else words


def _tell_waiting(
    message: SpooledMessage, recipient: SpooledRecipient, state: State, now: datetime
) -> Iterator[str]:
    if recipient.claimed_by is not None:
        where = recipient.destination or "the mailbox"
        yield f"It is being delivered to {where} at this moment (try {recipient.attempts})."
        return
    if recipient.is_quarantined:
        yield f"It is in quarantine: “{recipient.hold_reason}”"
        until = _at(recipient.quarantined_until)
        yield f"If nobody releases it, it is removed on {until}, and its sender is not told."
    elif state == State.HELD and recipient.hold_reason:
        yield f"It is held: “{recipient.hold_reason}” It waits until somebody releases it."
    elif state == State.HELD:
        yield f"It is held: “{recipient.reply}” This is looked at again {_when(recipient, now)}."
    elif state == State.THROTTLED:
        yield f"It waits because a limit is reached; it goes on {_when(recipient, now)}."
    elif recipient.due_at is None:
        yield "It waits, and no time is set."
    elif state == State.QUEUED:
        if recipient.reply:
            yield f"It could not be delivered at once: “{recipient.reply}”"
        yield f"The first try comes {_when(recipient, now)}."
    else:
        yield f"The next try comes {_when(recipient, now)}."
    if state == State.RETRYING:
        yield f"It is tried until {_at(message.expires_at)}."
        if message.sender and recipient.notify != "NEVER":
            yield f"If that fails too, {message.sender} gets a report."
    if recipient.is_forced:
        yield "An administrator has put it at the top of the spool."


def _tell_who_is_told(message: SpooledMessage, recipient: SpooledRecipient) -> Iterator[str]:
    if not message.sender:
        yield "Mail from the null sender is never answered with a report to it."
    elif recipient.notify == "NEVER" or (recipient.notify and "FAILURE" not in recipient.notify):
        yield f"The sender asked not to be told of that (NOTIFY={recipient.notify})."


def _tell_entry(entry: TraceEntry) -> Iterator[str]:
    detail: dict[str, Any] = entry.detail
    if entry.decision == "report sent":
        about = _and([f"{one['recipient']} ({one['action']})" for one in detail.get("about", [])])
        yield (
            f"On {_at(entry.at)} {detail.get('to')} was sent a report about {about}:"
            f" message {detail.get('report')}."
        )
    elif entry.decision == "throttled":
        yield _tell_throttling(entry)
    elif entry.decision in _OF_LISTS:
        yield f"On {_at(entry.at)} {_OF_LISTS[entry.decision].format_map(_Known(detail))}"
        if "from" in detail:
            yield f"Its author was {detail['from']}."
    elif entry.decision == "report dropped":
        yield f"On {_at(entry.at)} no report was sent: {detail.get('reason')}."
    else:
        facts = f" ({_facts(detail)})" if detail else ""
        yield f"On {_at(entry.at)} {entry.actor}: {entry.decision}{facts}."


def _tell_limit(crossing: ThrottleCrossing) -> str:
    reason = Reason(crossing.reason)
    numbers = throttle.in_words(reason, crossing.used, crossing.allowed)
    slot = from_micros((crossing.hour + 1) * throttle.HOUR_MICROS)
    return f"{crossing.who} is limited: {numbers}; next slot {moments.in_words(slot)}."


def _tell_throttling(entry: TraceEntry) -> str:
    detail: dict[str, Any] = entry.detail
    reason = Reason(detail.get("reason", Reason.MESSAGES.value))
    numbers = throttle.in_words(reason, detail.get("used", 0), detail.get("allowed", 0))
    slot = from_micros(throttle.next_hour(to_micros(entry.at)))
    return (
        f"On {_at(entry.at)} it had to wait, for {detail.get('who')} had used {numbers};"
        f" next slot {moments.in_words(slot)}."
    )


def _when(recipient: SpooledRecipient, now: datetime) -> str:
    if recipient.due_at is None or recipient.due_at <= now:
        return "now, as soon as there is a free slot"
    return f"in {_span(recipient.due_at - now)}, on {_at(recipient.due_at)}"


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} minute{'s' * (minutes != 1)}"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"


def _at(moment: datetime | None) -> str:
    if moment is None:
        return "an unknown day"
    return moments.to_the_second(moment)


def _sender(sender: str) -> str:
    return sender or "the null sender <>"


def _original(recipient: SpooledRecipient) -> str:
    if recipient.original_address in ("", recipient.address):
        return ""
    return f" (written to as {recipient.original_address})"


def _and(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names) or "nobody"
    return f"{', '.join(names[:-1])} and {names[-1]}"


class _Known(dict[str, Any]):
    """What an entry says; a word that it lacks is left out."""

    def __missing__(self, key: str) -> str:
        return ""


def _facts(detail: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in detail.items() if key != "step")
