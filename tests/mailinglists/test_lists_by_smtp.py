"""Lists as other servers and mail programs meet them, on a running server."""

from __future__ import annotations

import email
import email.policy
import smtplib
import uuid
from functools import partial

import pytest

from tests.clients.programs import program
from tests.factories import PASSWORD
from tests.reading import open_mailbox, wait_for

MAKE = """
from domains.models import Domain
from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
row = services.create_list(domain=Domain.objects.get(name={domain!r}), local_part={name!r},
                           values={values!r}, moderators={moderators!r}, by=None)
rows = [NewSubscriber(address) for address in {addresses!r}]
membership.add_subscribers(mailing_list=row, rows=rows, by=None)
"""


@pytest.fixture(scope="module")
def domain(server):
    name = f"l{uuid.uuid4().hex[:8]}.test"
    server.manage("apply", "-", text=f"""
domains:
  - name: {name}
    admin: {{username: admin, password: "{PASSWORD}"}}
    users: [{{username: alice, password: "{PASSWORD}"}}, {{username: bob, password: "{PASSWORD}"}}]
""")  # fmt: skip
    return name


def make(server, domain, name, *addresses, moderators=(), **values):
    code = MAKE.format(
        domain=domain, name=name, values=values, addresses=addresses, moderators=list(moderators)
    )
    server.manage("shell", "--no-imports", "-c", code)
    return f"{name}@{domain}"


def reply(server, sender, recipient, *, size=None):
    """What the server says to RCPT."""
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30) as client:
        client.ehlo("client.test")
        options = [f"SIZE={size}"] if size else []
        client.mail(sender, options)
        code, words = client.rcpt(recipient)
    return f"{code} {words.decode()}"


def switch(server, domain, **features):
    code = (
        "from accounts import provisioning\nfrom domains.models import Domain\n"
        f"provisioning.change_tab(domain=Domain.objects.get(name={domain!r}), tab='features',"
        f" values={features!r}, by=None)"
    )
    server.manage("shell", "--no-imports", "-c", code)


@pytest.mark.spec("L-004")
def test_strangers_learn_at_rcpt_that_they_may_not_post(server, domain):
    address = make(server, domain, "closed", f"alice@{domain}")
    refused = reply(server, "stranger@elsewhere.test", address)
    assert refused.startswith("550 5.7.1 You may not post to this list")
    assert reply(server, "", address).startswith("550 5.7.1")


@pytest.mark.spec("L-004")
def test_anyone_may_post_where_anyone_may_but_those_who_are_banned(server, domain):
    address = make(server, domain, "open", f"alice@{domain}", posting="anyone")
    assert reply(server, "stranger@elsewhere.test", address).startswith("250 ")
    code = (
        "from mailinglists import services\nfrom mailinglists.models import MailingList\n"
        f"row = MailingList.objects.get(local_part='open', domain__name={domain!r})\n"
        "services.set_poster_rules(mailing_list=row, rules=[('@elsewhere.test', 'ban')], by=None)"
    )
    server.manage("shell", "--no-imports", "-c", code)
    wait_for(lambda: reply(server, "stranger@elsewhere.test", address).startswith("550 5.7.1"))
    assert reply(server, "stranger@other.test", address).startswith("250 ")


@pytest.mark.spec("L-014")
def test_a_post_that_is_too_large_is_refused_when_it_is_announced_and_when_it_is_sent(
    server, domain
):
    address = make(server, domain, "small", posting="anyone", maximum_post_kb=1)
    announced = reply(server, "stranger@elsewhere.test", address, size=5000)
    assert announced.startswith("552 5.2.3 ")
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30) as client:
        client.esmtp_features = {}
        client.helo("client.test")
        client.mail("stranger@elsewhere.test")
        client.rcpt(address)
        code, words = client.data(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 1000)
    assert (code, words[:6]) == (552, b"5.2.3 ")


@pytest.mark.spec("D-070", "D-035")
def test_switched_off_lists_and_the_command_address_are_unknown(server, domain):
    address = make(server, domain, "switched", posting="anyone")
    commands = f"listserv@{domain}"
    assert reply(server, "stranger@elsewhere.test", address).startswith("250 ")
    assert reply(server, "stranger@elsewhere.test", commands).startswith("250 ")
    switch(server, domain, mailing_lists=False)
    try:
        for one in (address, commands, address.replace("@", "-request@")):
            wait_for_reply(server, one, "550 5.1.1")
    finally:
        switch(server, domain, mailing_lists=True)


@pytest.mark.spec("D-035")
def test_lists_and_the_command_address_answer_on_domain_aliases_too(server, domain):
    code = (
        "from domains.models import Domain\nfrom domains import services\n"
        f"services.add_alias(domain=Domain.objects.get(name={domain!r}), name='alias-{domain}',"
        " by=None)"
    )
    server.manage("shell", "--no-imports", "-c", code)
    make(server, domain, "both", posting="anyone")
    for local_part in ("listserv", "both", "both-subscribe"):
        address = f"{local_part}@alias-{domain}"
        wait_for_reply(server, address, "250 ")
    assert reply(server, "a@elsewhere.test", f"both+x@{domain}").startswith("550 5.1.1")


@pytest.mark.spec("L-003")
@pytest.mark.spec("L-007")
def test_swaks_posts_and_the_subscribers_read_it(server, domain, tmp_path):
    address = make(
        server, domain, "talk", f"alice@{domain}", f"bob@{domain}",
        subject_prefix="[talk]", footer_text="Leave: $unsubscribe",
    )  # fmt: skip
    needle = uuid.uuid4().hex
    program("swaks", tmp_path).run(
        "--server", "127.0.0.1", "--port", str(server.port("submission")), "--helo", "client.test",
        "--auth", "PLAIN", "--auth-user", f"alice@{domain}", "--auth-password", PASSWORD,
        "--from", f"alice@{domain}", "--to", address, "--header", f"Subject: {needle}",
        "--body", f"For all: {needle}",
    )  # fmt: skip

    def copies(login):
        with open_mailbox(server, login) as client:
            count = int(client.select("INBOX")[1][0] or 0)
            raw = [client.fetch(str(n), "(RFC822)")[1][0][1] for n in range(1, count + 1)]
        parsed = [email.message_from_bytes(one, policy=email.policy.default) for one in raw]
        return [one for one in parsed if needle in str(one["Subject"])]

    for login in (f"alice@{domain}", f"bob@{domain}"):
        wait_for(partial(copies, login))
        (one,) = copies(login)
        assert one["Subject"] == f"[talk] {needle}"
        assert one["Return-Path"].startswith("<talk-bounces+")
        assert one["List-Id"] == f"<talk.{domain}>"
        assert f"talk-unsubscribe@{domain}" in one["List-Unsubscribe"]
        assert one["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert f"Leave: mailto:talk-unsubscribe@{domain}" in one.get_content()


def has_come(server, reader, needle):
    with open_mailbox(server, reader) as client:
        client.select("INBOX")
        return client.search(None, "SUBJECT", needle)[1][0]


def wait_for_reply(server, address, words):
    wait_for(lambda: reply(server, "a@elsewhere.test", address).startswith(words))


@pytest.mark.spec("L-002", "L-011")
def test_mail_to_the_owner_reaches_the_moderators_and_else_the_administrator(server, domain):
    run, plain = (
        make(server, domain, "run", moderators=["bob"]),
        make(server, domain, "plain"),
    )
    for address, reader in ((run, f"bob@{domain}"), (plain, f"admin@{domain}")):
        needle = uuid.uuid4().hex
        owner = address.replace("@", "-owner@")
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30) as client:
            client.sendmail("a@elsewhere.test", [owner], f"Subject: {needle}\r\n\r\nHi.\r\n")
        wait_for(partial(has_come, server, reader, needle))
