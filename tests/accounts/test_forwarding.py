"""The forwarding blacklist: refused when saved, stopped when it was there before."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import aliases, forwarding
from accounts.errors import ForwardingRefused
from accounts.models import ForwardingBan, UserAlias
from domains.errors import NameMalformed, ValuesRefused
from domains.models import DomainTechnical
from protocols.address import Address
from spool import routing
from spool.errors import ForwardingForbidden
from spool.routing import Question
from tests.factories import make_alias, make_domain
from tests.memories import forget_everything

pytestmark = pytest.mark.django_db


def resolve(address: str) -> list[str]:
    forget_everything()
    found = routing.resolve(Address.parse(address), Question("x@far.test", may_relay=False))
    return [target.address for target in found.targets]


@pytest.mark.spec("G-045")
@pytest.mark.spec("G-046", lacks="forwards by content filters")
def test_a_forward_to_a_listed_domain_is_refused_with_all_that_is_refused() -> None:
    domain = make_domain("t.example", "alice")
    forwarding.add(name="Strict.test", by=None)
    forwarding.add(name="*.below.test", by=None, note="complains")
    with pytest.raises(ForwardingRefused) as caught:
        make_alias(domain, "all", "alice", "a@strict.test", "b@x.y.below.test", "c@fine.test")
    assert caught.value.addresses == ("a@strict.test", "b@x.y.below.test")
    make_alias(domain, "some", "alice", "c@fine.test", "d@below.test", "e@sub.strict.test")
    alias = UserAlias.objects.get(local_part="some")
    with pytest.raises(ForwardingRefused):
        aliases.change_alias(alias=alias, targets=["x@strict.test"], by=None)
    with pytest.raises(ForwardingRefused):
        aliases.set_catch_all(domain=domain, targets=["x@strict.test"], by=None)


@pytest.mark.spec("D-054")
@pytest.mark.spec("G-046", lacks="forwards by content filters")
def test_a_domain_with_the_bypass_forwards_where_it_likes() -> None:
    domain = make_domain("t.example", technical={"bypass_forward_blacklist": True})
    forwarding.add(name="strict.test", by=None)
    make_alias(domain, "out", "a@strict.test")
    assert resolve("out@t.example") == ["a@strict.test"]
    DomainTechnical.objects.filter(domain=domain).update(bypass_forward_blacklist=False)
    with pytest.raises(ForwardingForbidden):
        resolve("out@t.example")


def test_a_forward_from_before_stops_and_the_mailbox_still_gets_the_mail() -> None:
    domain = make_domain("t.example", "alice")
    make_alias(domain, "both", "alice", "a@strict.test")
    make_alias(domain, "out", "a@strict.test")
    row = forwarding.add(name="strict.test", by=None)
    assert resolve("both@t.example") == ["alice@t.example"]
    with pytest.raises(ForwardingForbidden):
        resolve("out@t.example")
    forwarding.remove(row=row, by=None)
    assert resolve("out@t.example") == ["a@strict.test"]


def test_mail_that_somebody_sends_there_by_hand_is_not_affected() -> None:
    make_domain("t.example", "alice")
    forwarding.add(name="strict.test", by=None)
    forget_everything()
    question = Question("alice@t.example", may_relay=True)
    found = routing.resolve(Address.parse("a@strict.test"), question)
    assert [target.address for target in found.targets] == ["a@strict.test"]


@pytest.mark.spec("G-045")
def test_entries_are_domains_and_come_once() -> None:
    forwarding.add(name="strict.test", by=None)
    with pytest.raises(ValuesRefused):
        forwarding.add(name="STRICT.test.", by=None)
    for name in ("*", "a@b.test", "*.*.test", ""):
        with pytest.raises(NameMalformed):
            forwarding.add(name=name, by=None)
    row = ForwardingBan.objects.get()
    assert forwarding.change(row=row, values={"note": "new"}, by=None).note == "new"


@pytest.mark.spec("G-045")
def test_the_command_adds_lists_and_removes() -> None:
    out = StringIO()
    call_command("forwardingblacklist", "add", "*.strict.test", "--note", "why", stdout=out)
    call_command("forwardingblacklist", "list", "--json", stdout=out)
    assert json.loads(out.getvalue()) == [{"name": "*.strict.test", "note": "why"}]
    call_command("forwardingblacklist", "remove", "*.strict.test", stdout=out)
    assert not ForwardingBan.objects.exists()
    with pytest.raises(CommandError):
        call_command("forwardingblacklist", "remove", "*.strict.test", stdout=out)
