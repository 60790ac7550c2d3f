"""Further names of domains that wait for the proof that they are their domain's (D-101)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as conf
from django.test import Client

from accounts import domainaliases, provisioning
from accounts.models import User
from administration import undo
from api import tokens
from clock.moments import utc_now
from domains import claims, directory
from domains import services as domain_services
from domains.claims import NAMES, ClaimUnknown
from domains.errors import LimitReached, NameTaken, ValuesRefused
from domains.models import ClaimedAlias, Domain, DomainAlias, HostedName
from events.models import AuditEntry
from spool import relaydomains
from tests import memories
from tests.api.conftest import Program
from tests.dns_server import ThreadedDnsServer
from tests.people import World, make_world
from zones import claims as proofs
from zones import tasks

pytestmark = [pytest.mark.django_db, pytest.mark.spec("D-101")]

HOST = "mx.host.test"
PAGE = "/panel/domain/own.example/domain-aliases/"


@pytest.fixture
def world() -> World:
    NAMES.change({"aliases_need_proof": True}, by=None)
    return make_world()


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedDnsServer]:
    with ThreadedDnsServer({(HOST, "A"): ["192.0.2.1"]}) as server:
        monkeypatch.setattr(conf, "MAILHOST_HOSTNAME", HOST)
        monkeypatch.setattr(conf, "MAILHOST_DNS_SERVERS", [server.address])
        monkeypatch.setattr("zones.facts.own_addresses", frozenset)
        yield server


def claim(domain: Domain, by: User, name: str = "shop.example") -> ClaimedAlias:
    row = domainaliases.add(domain=domain, name=name, by=by, now=utc_now())
    assert isinstance(row, ClaimedAlias)
    return row


def publish(dns: ThreadedDnsServer, row: ClaimedAlias) -> None:
    record = proofs.record_of(row)
    dns.records[record.name, "TXT"] = [record.value]


def lift_limits(world: World) -> None:
    for domain in (world.own, world.other):
        values = {"domain_aliases": 0}
        domain_services.change_tab(domain=domain, tab="limits", values=values, by=None)


def check(row: ClaimedAlias) -> DomainAlias | None:
    return proofs.check(row, by=None, now=utc_now())


def test_a_customers_name_leads_nowhere_until_its_record_is_seen(
    world: World, dns: ThreadedDnsServer
) -> None:
    row = claim(world.own, world.reseller)
    assert directory.by_name("shop.example") is None
    assert not HostedName.objects.filter(name="shop.example").exists()
    assert check(row) is None
    row.refresh_from_db()
    assert row.checked_at is not None and "_mailhost.shop.example" in row.finding
    publish(dns, row)
    alias = check(row)
    assert alias is not None and alias.domain == world.own
    memories.forget_everything()
    policy = directory.by_name("shop.example")
    assert policy is not None and policy.name == "own.example"
    assert not ClaimedAlias.objects.exists()


def test_the_provider_adds_names_at_once_and_so_does_everybody_where_no_proof_is_asked_for(
    world: World,
) -> None:
    added = domainaliases.add(domain=world.own, name="a.example", by=world.root, now=utc_now())
    assert isinstance(added, DomainAlias)
    NAMES.change({"aliases_need_proof": False}, by=None)
    added = domainaliases.add(domain=world.other, name="b.example", by=world.other_admin,
                              now=utc_now())  # fmt: skip
    assert isinstance(added, DomainAlias)


def test_who_only_waits_stands_in_nobodys_way(world: World, dns: ThreadedDnsServer) -> None:
    first, second = claim(world.own, world.admin), claim(world.other, world.other_admin)
    publish(dns, second)
    assert check(first) is None
    assert check(second) is not None
    publish(dns, first)
    assert check(first) is None
    first.refresh_from_db()
    assert "is a domain or a domain alias already" in first.finding
    with pytest.raises(NameTaken):
        claim(world.own, world.admin)


def test_mail_that_comes_here_is_a_proof_unless_it_comes_for_somebody_else(
    world: World, dns: ThreadedDnsServer
) -> None:
    dns.records["shop.example", "MX"] = [f"10 {HOST}."]
    dns.records["branch.example", "MX"] = [f"10 {HOST}."]
    dns.records["far.example", "MX"] = ["10 mx.far.example.", f"20 {HOST}."]
    relaydomains.add(name="branch.example", by=None)
    lift_limits(world)
    relayed, elsewhere = (
        claim(world.own, world.admin, name) for name in ("branch.example", "far.example")
    )
    rival = claim(world.other, world.other_admin)
    row = claim(world.own, world.admin)
    assert [check(one) for one in (relayed, elsewhere, row, rival)] == [None] * 4
    claims.withdraw(claim=rival, by=None)
    assert check(row) is not None


def test_silent_name_servers_prove_nothing(world: World, dns: ThreadedDnsServer) -> None:
    row = claim(world.own, world.admin)
    dns.failing.add("_mailhost.shop.example")
    assert check(row) is None
    row.refresh_from_db()
    assert "do not answer" in row.finding


def test_waiting_names_count_towards_the_limit_of_the_domain(world: World) -> None:
    claim(world.own, world.admin)  # beside alias.example
    with pytest.raises(LimitReached):
        claim(world.own, world.admin, "third.example")
    again = claim(world.own, world.admin)
    assert ClaimedAlias.objects.get() == again


def test_the_task_finds_proofs_and_gives_up_what_has_waited_for_too_long(
    world: World, dns: ThreadedDnsServer
) -> None:
    lift_limits(world)
    proven, late = claim(world.own, world.admin), claim(world.own, world.admin, "late.example")
    ClaimedAlias.objects.filter(pk=late.pk).update(lapses_at=utc_now() - timedelta(seconds=1))
    waiting = claim(world.other, world.other_admin, "waiting.example")
    publish(dns, proven)
    assert tasks.look_for_proofs.func() == 1
    assert DomainAlias.objects.filter(name="shop.example", domain=world.own).exists()
    assert ClaimedAlias.objects.get() == waiting
    assert AuditEntry.objects.filter(verb="gave up claim of domain alias").exists()
    with pytest.raises(ClaimUnknown):
        claims.grant(claim=late, by=None)


def test_a_deleted_domain_waits_for_no_name(world: World) -> None:
    claim(world.own, world.admin)
    provisioning.close_domain(domain=world.own, by=None)
    assert not ClaimedAlias.objects.exists()


def test_days_to_wait_are_bounded() -> None:
    with pytest.raises(ValuesRefused):
        NAMES.change({"proof_days": 0}, by=None)


def test_the_page_shows_the_record_and_checks_withdraws_and_approves(
    world: World, dns: ThreadedDnsServer
) -> None:
    client, root = Client(), Client()
    client.force_login(world.admin)
    root.force_login(world.root)
    page = client.post(PAGE, {"name": "shop.example"}, follow=True).content.decode()
    assert "shop.example waits for the proof that it is yours" in page
    row = ClaimedAlias.objects.get()
    assert "_mailhost.shop.example" in page and f"mailhost={row.token}" in page
    assert "Approve" not in page and "Approve" in root.get(PAGE).content.decode()

    def act(browser: Client, verb: str) -> str:
        data = {"claim": str(ClaimedAlias.objects.get().pk), "verb": verb}
        answer = browser.post(f"{PAGE}claim/", data, follow=True)
        return f"{answer.status_code} {answer.content.decode()}"

    assert "is not proven yet" in act(client, "check")
    assert act(client, "approve").startswith("403")
    assert "shop.example is given up." in act(client, "withdraw")
    client.post(PAGE, {"name": "shop.example"})
    assert "shop.example is a name of own.example now." in act(root, "approve")
    assert DomainAlias.objects.filter(name="shop.example", domain=world.own).exists()
    other = claim(world.other, world.other_admin, "theirs.example")
    data = {"claim": str(other.pk), "verb": "withdraw"}
    assert client.post(f"{PAGE}claim/", data).status_code == 404
    foreign = root.post(f"{PAGE}claim/", data)
    assert foreign.status_code == 404 and ClaimedAlias.objects.filter(pk=other.pk).exists()


def test_programs_do_the_same(world: World, dns: ThreadedDnsServer) -> None:
    def program(user: User) -> Program:
        return Program(tokens.issue(user=user, name="t", scopes=("*",), by=None, now=utc_now())[1])

    asker, stranger, root = map(program, (world.admin, world.other_admin, world.root))
    new = {"name": "shop.example", "domain": "own.example"}
    waits = asker.call("post", "domain-aliases/", new)
    assert waits.status_code == 202 and waits.json()["record_name"] == "_mailhost.shop.example"
    path = f"domain-alias-claims/{waits.json()['id']}/"
    assert waits["Location"] == f"/api/v1/{path}"
    assert asker.call("get", path).json()["record_value"] == waits.json()["record_value"]
    for method, more in (("get", ""), ("delete", ""), ("post", "check/")):
        assert stranger.call(method, path + more).status_code == 404
    assert stranger.call("get", "domain-alias-claims/").json()["items"] == []
    items = root.call("get", "domain-alias-claims/?domain=own.example").json()["items"]
    assert [one["name"] for one in items] == ["shop.example"]
    unproven = asker.call("post", f"{path}check/").json()
    assert unproven["is_proven"] is False and "no TXT record" in unproven["finding"]
    assert asker.call("post", f"{path}approve/").status_code == 403
    publish(dns, ClaimedAlias.objects.get())
    assert asker.call("post", f"{path}check/").json() == {"is_proven": True, "finding": ""}
    assert asker.call("get", path).status_code == 404
    assert asker.call("delete", "domain-aliases/shop.example/").status_code == 204
    path = f"domain-alias-claims/{asker.call('post', 'domain-aliases/', new).json()['id']}/"
    assert root.call("post", f"{path}approve/").json()["domain"] == "own.example"


def test_a_claim_is_taken_back_by_undo(world: World) -> None:
    claim(world.own, world.admin)
    entry = AuditEntry.objects.get(verb="claimed domain alias")
    undo.undo([entry], by=world.admin)
    assert not ClaimedAlias.objects.exists()
