"""The MTA-STS policies of hosted domains, as other servers fetch them."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from clock.moments import utc_now
from domains.errors import ValuesRefused
from events.models import AuditEntry
from protocols import mtasts
from protocols.mtasts import Mode
from tests import factories
from zones import published, services
from zones.findings import Level

HOST = "mx.host.test"


def get(name, **given):
    return Client().get("/.well-known/mta-sts.txt", headers={"host": name}, **given)


@pytest.mark.spec("G-030")
def test_each_domain_and_alias_has_its_policy_under_its_own_host(one, zone):
    factories.make_domain_alias(one, "alias.example")
    for name in ("mta-sts.one.example", "MTA-STS.one.example:443", "mta-sts.alias.example"):
        response = get(name)
        assert response["Content-Type"] == "text/plain"
        policy = mtasts.parse(response.content)
        assert (policy.mode, policy.hosts) == (Mode.TESTING, (HOST,))
    for name in ("one.example", "mta-sts.two.example", "mta-sts.", "", "mta-sts.\xe9"):
        assert get(name).status_code == 404
    client = Client()
    assert client.post("/.well-known/mta-sts.txt").status_code == 405


@pytest.mark.spec("G-030")
def test_the_advice_has_the_id_of_the_policy_and_another_one_after_a_change(one, zone):
    def announced():
        lines = [each.line for each in services.advise(one) if each.check == "mta-sts"]
        assert all("mta-sts.one.example." in line for line in lines)
        return lines[0] if lines else None

    before = announced()
    assert published.id_of(published.policy_of(one)) in before
    call_command("dns", "policy", "one.example", "--mode", "enforce", stdout=StringIO())
    assert announced() not in (None, before)
    call_command("dns", "policy", "one.example", "--mode", "off", stdout=StringIO())
    assert announced() is None
    assert get("mta-sts.one.example").status_code == 404
    assert AuditEntry.objects.filter(verb="changed MTA-STS policy").count() == 2


def test_other_servers_of_the_domain_may_be_named(one, zone):
    shown = StringIO()
    call_command(
        "dns", "policy", "one.example", "--json", "--more-hosts", "Backup.test, *.far.test",
        stdout=shown,
    )  # fmt: skip
    assert json.loads(shown.getvalue())["hosts"] == [HOST, "backup.test", "*.far.test"]
    with pytest.raises(CommandError, match="more_hosts"):
        call_command("dns", "policy", "one.example", "--more-hosts", "not a name")
    with pytest.raises(ValuesRefused):
        published.change_policy(domain=one, values={"max_age_seconds": 5}, by=None)


@pytest.mark.spec("G-031")
def test_the_check_looks_at_the_policy_and_what_it_demands(one, zone):
    def found(id_):
        zone.records["_mta-sts.one.example", "TXT"] = [f'"v=STSv1; id={id_}"']
        findings = services.check(one, now=utc_now()).findings
        return next(each.level for each in findings if each.check == "mta-sts")

    right = published.id_of(published.policy_of(one))
    assert found(right) is Level.ERROR  # nobody can fetch it
    zone.records["mta-sts.one.example", "A"] = ["192.0.2.1"]
    assert (found(right), found("old")) == (Level.OK, Level.WARNING)
    published.change_policy(domain=one, values={"mode": "enforce"}, by=None)
    right = published.id_of(published.policy_of(one))
    assert found(right) is Level.ERROR  # the certificate is self-signed, or there is none
