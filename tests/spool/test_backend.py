"""The server's own mail: by django.core.mail into the spool, from any process."""

from __future__ import annotations

import imaplib
from email import message_from_bytes

import pytest
from django.core.mail import EmailMessage, send_mail
from django.db import transaction

from blobs import committer
from blobs.store import locate, read_body
from mailboxes.models import DomainUsage, Message
from mailboxes.quota import QuotaExceeded
from spool.errors import AddressUnknown
from spool.models import Origin, SpooledMessage, SpooledRecipient, State
from tests import factories
from tests.running import RunningServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _real_backend(settings):
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    settings.MAILHOST_HOSTNAME = "mx.one.example"
    settings.DEFAULT_FROM_EMAIL = "MailHost <noreply@mx.one.example>"
    yield
    committer.stop_process_committer()


def own_mail(to="alice@one.example", *, author=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return EmailMessage("Subject", "Grüße,\n.\nMailHost", author, [to], headers=named)


def delivered():
    message = Message.objects.get()
    return message_from_bytes(read_body(locate([message.blob_id])[message.blob_id]))


def test_own_mail_lies_in_the_mailbox_when_send_returns():
    factories.make_domain("one.example", "alice")
    assert send_mail("Hello", "Grüße", None, ["Alice <alice@one.example>"]) == 1
    mail = delivered()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == "MailHost <noreply@mx.one.example>"
    assert mail["Message-ID"].endswith("@mx.one.example>")
    assert mail["Date"]
    assert Message.objects.get().prefix.startswith("Return-Path: <>\r\n")
    spooled = SpooledMessage.objects.get()
    assert (spooled.origin, spooled.sender, spooled.kind) == (Origin.SERVER, "", "standard")


def test_failures_go_to_an_author_of_ours():
    factories.make_domain("one.example", "alice", "bob")
    own_mail(author="Bob <bob@one.example>").send()
    assert SpooledMessage.objects.get().sender == "bob@one.example"


def test_an_author_of_ours_may_ask_that_nothing_comes_back():
    factories.make_domain("one.example", "alice", "bob")
    own_mail(author="Bob <bob@one.example>", X_MailHost_Sender="null").send()
    assert SpooledMessage.objects.get().sender == ""
    assert delivered()["From"] == "Bob <bob@one.example>"
    assert "X-MailHost-Sender" not in delivered()


@pytest.mark.parametrize(
    ("kind", "tab", "decided"),
    [
        ("report", {"email_reports": 2, "email_reports_enabled": True}, 2),
        ("event", {"event_emails": 9, "event_emails_enabled": True}, 9),
        ("standard", {"standard": 4, "standard_enabled": True}, 4),
    ],
)
def test_the_kind_chooses_the_priority_rule_of_the_domain(kind, tab, decided):
    domain = factories.make_domain("one.example", "alice", priority=tab)
    message = own_mail("x@far.test", X_MailHost_Kind=kind, X_MailHost_Domain=domain.pk)
    message.send()
    assert SpooledMessage.objects.get().kind == kind
    assert SpooledMessage.objects.get().domain_id == domain.pk
    recipient = SpooledRecipient.objects.get()
    assert (recipient.priority, recipient.state) == (decided, State.QUEUED)
    assert "X-MailHost-Kind" in message.extra_headers, "the caller's message stays as it was"


def test_a_given_priority_wins_and_the_headers_do_not_travel():
    factories.make_domain("one.example", "alice")
    own_mail(X_MailHost_Priority=8, Auto_Submitted="auto-replied", X_Other="1").send()
    assert SpooledRecipient.objects.get().priority == 8
    mail = delivered()
    assert [name for name in mail if name.lower().startswith("x-mailhost")] == []
    assert (mail["Auto-Submitted"], mail["X-Other"]) == ("auto-replied", "1")


@pytest.mark.parametrize("headers", [{"X_MailHost_Kind": "nonsense"}, {"X_MailHost_Priority": 11}])
def test_headers_without_sense_are_an_error_of_the_caller(headers):
    factories.make_domain("one.example", "alice")
    with pytest.raises(ValueError):
        own_mail(**headers).send()
    assert not SpooledMessage.objects.exists()


def test_nobody_reached_is_a_refusal_somebody_reached_is_not():
    factories.make_domain("one.example", "alice")
    with pytest.raises(AddressUnknown):
        own_mail("nobody@one.example").send()
    assert own_mail("nobody@one.example").send(fail_silently=True) == 0
    both = own_mail("nobody@one.example")
    both.to.append("alice@one.example")
    assert both.send() == 1
    assert SpooledRecipient.objects.get().address == "alice@one.example"


def test_only_notices_come_into_a_full_mailbox():
    domain = factories.make_domain("one.example", "alice", limits={"disk_space_mb": 1})
    DomainUsage.objects.update_or_create(domain=domain, defaults={"bytes": 2 << 20})
    with pytest.raises(QuotaExceeded):
        own_mail().send()
    own_mail(X_MailHost_Kind="notice").send()
    assert SpooledRecipient.objects.get().state == State.DELIVERED


def test_mail_of_a_transaction_goes_with_its_commit_or_not_at_all():
    factories.make_domain("one.example", "alice")
    with transaction.atomic():
        own_mail().send()
        assert not SpooledMessage.objects.exists()
    assert Message.objects.count() == 1
    with pytest.raises(RuntimeError), transaction.atomic():
        own_mail().send()
        raise RuntimeError
    assert Message.objects.count() == 1


def test_a_command_of_another_process_reaches_an_open_mailbox(server: RunningServer):
    password = "correct horse battery"
    people = f"admin: {{username: admin, password: {password}}}"
    server.manage("apply", "-", text=f"domains: [{{name: own.example, {people}}}]")
    server.manage("sendtestemail", "admin@own.example")
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login("admin@own.example", password)
        assert client.select("INBOX")[1] == [b"1"]
        [(_, head), _] = client.fetch("1", "(BODY[HEADER])")[1]
    assert message_from_bytes(head)["Auto-Submitted"] == "auto-generated"
