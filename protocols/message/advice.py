"""What a delivery report says to people: what happened, why, and what they can do."""

from __future__ import annotations

import re
from textwrap import wrap

from protocols.message.reports import Action, RecipientReport, StatusReport

WIDTH = 72
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")

_SUBJECTS = {
    Action.FAILED: "Not delivered",
    Action.DELAYED: "Not delivered yet",
    Action.DELIVERED: "Delivered",
    Action.RELAYED: "Passed on",
    Action.EXPANDED: "Delivered to a list",
}

_WHAT_HAPPENED = {
    Action.FAILED: "Your message could not be delivered to {whom}. It will not be tried again.",
    Action.DELAYED: (
        "Your message could not be delivered to {whom} yet. This server keeps trying by "
        "itself: you need not send it again."
    ),
    Action.DELIVERED: "Your message was delivered to {whom}, as you asked to be told.",
    Action.RELAYED: (
        "Your message was passed on to the server that receives mail for {whom}. That server "
        "sends no confirmations, so this is the last report about it."
    ),
    Action.EXPANDED: (
        "Your message was delivered to {whom}, which passes it on to several people. There "
        "will be no report about each of them."
    ),
}

# RFC 3463 §3: by subject and detail of the status code, the most exact first.
_ADVICE = (
    (
        ("1.1", "1.2", "1.3", "1.10"),
        "Check the address for typing mistakes. If it is right, ask the recipient in another "
        "way whether it has changed.",
    ),
    (("1.7", "1.8"), "Your own address was not accepted. Ask your mail administrator for help."),
    (
        ("2.1",),
        "The recipient's mailbox is switched off. Reach the recipient in another way.",
    ),
    (
        ("2.2",),
        "The recipient's mailbox is full. Send the message again later, or reach the recipient "
        "in another way.",
    ),
    (
        ("2.3", "3.4"),
        "The message is too large for the recipient's server. Make its attachments smaller, or "
        "send a link to them instead.",
    ),
    (
        ("4.1", "4.2", "4.3", "4.4", "4.7"),
        "The recipient's server could not be reached. Check the part of the address behind the "
        "@ sign; if it is right, send the message again later.",
    ),
    (("4.6",), "The message was going round in a circle. Show this report to your administrator."),
    (
        ("7.",),
        "The recipient's server does not accept this message by its own rules. If you think "
        "that it should, show this report to your mail administrator.",
    ),
    (("6.",), "The recipient's server cannot take messages of this form. Send it as plain text."),
)
_ELSE = "If the reason above does not help you, show this report to your mail administrator."


def subject(report: StatusReport) -> str:
    """The beginning of the Subject: the worst news first."""
    return _SUBJECTS[min((r.action for r in report.recipients), key=list(_SUBJECTS).index)]


def text(report: StatusReport, *, subject: str, date: str, is_full: bool) -> str:
    """The first part of the report, for people. `subject` and `date` are the message's own."""
    paragraphs = [f"This is the mail server {report.reporting_mta}."]
    for action in _SUBJECTS:
        recipients = [r for r in report.recipients if r.action is action]
        if recipients:
            paragraphs += _about(action, recipients)
    about = [f"    Subject: {_line(subject)}"] if subject else []
    about += [f"    Sent:    {_line(date)}"] if date else []
    if about:
        paragraphs.append("\n".join(["This is about your message:", "", *about]))
    what = "your message" if is_full else "the header of your message"
    closing = f"A report for programs and {what} are attached."
    return "\n\n".join([*(_wrapped(p) for p in paragraphs), closing]) + "\n"


def _about(action: Action, recipients: list[RecipientReport]) -> list[str]:
    whom = "this address" if len(recipients) == 1 else "these addresses"
    paragraphs = [_WHAT_HAPPENED[action].format(whom=whom)]
    for recipient in recipients:
        paragraphs.append("\n".join(_reasons(recipient)))
    if action is Action.FAILED:
        paragraphs += dict.fromkeys(_advice(recipient.status) for recipient in recipients)
    return paragraphs


def _reasons(recipient: RecipientReport) -> list[str]:
    lines = [f"    {_line(recipient.recipient)}"]
    original = (recipient.original_recipient or "").partition(";")[2].strip()
    if original and original.lower() != recipient.recipient.lower():
        lines.append(f"    (you wrote to {_line(original)})")
    if recipient.diagnostic:
        said = f"The server {recipient.remote_mta} said:" if recipient.remote_mta else "Reason:"
        lines += ["", f"    {said}"]
        lines += _indented(recipient.diagnostic)
    elif recipient.reason:
        lines += ["", *_indented(recipient.reason)]
    if recipient.action is Action.DELAYED and recipient.retry_until is not None:
        until = recipient.retry_until.strftime("%A, %d %B %Y at %H:%M UTC")
        lines += ["", f"    It is tried until {until}."]
    return lines


def _indented(value: str) -> list[str]:
    return wrap(_line(value), WIDTH, initial_indent="    ", subsequent_indent="    ")


def _advice(status: str) -> str:
    detail = status.partition(".")[2]
    for beginnings, words in _ADVICE:
        for beginning in beginnings:
            if detail == beginning or (beginning.endswith(".") and detail.startswith(beginning)):
                return words
    return _ELSE


def _wrapped(paragraph: str) -> str:
    return paragraph if "\n" in paragraph else "\n".join(wrap(paragraph, WIDTH)) or paragraph


def _line(value: str) -> str:
    return _CONTROLS.sub(" ", value).strip()
