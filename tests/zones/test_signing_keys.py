"""Signing keys from their making to the record in DNS that takes them into use (F-040, F-041)."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import secrets
from administration import undo
from administration.rules.table import rule_for
from clock.moments import utc_now
from domains import services as domain_services
from events.models import AuditEntry
from signing import directory, keys
from signing.errors import KeysWaiting, KeyUnknown
from signing.models import SigningKey
from tests.memories import forget_everything
from zones import services, tasks
from zones.findings import Level
from zones.records import quoted

pytestmark = pytest.mark.django_db


def publish(zone, *made):
    for key in made:
        zone.records[key.record_name, "TXT"] = [quoted(key.record)]


def dkim(domain):
    report = services.check(domain, now=utc_now())
    return [each for each in report.findings if each.check == "dkim"]


def signers(domain):
    forget_everything()
    return {
        name: [signer.selector for signer in found]
        for name, found in directory.signers(domain.pk).items()
    }


@pytest.mark.spec("F-040", "F-041", "D-069", "G-031")
def test_new_keys_sign_once_their_records_are_seen(one, zone):
    rsa, ed25519 = keys.generate(domain=one, by=None, now=utc_now())
    assert (rsa.selector, ed25519.selector) == ("mh1r", "mh1e")
    assert rsa.record.startswith("v=DKIM1; k=rsa; p=MIIBIjAN")
    assert b"mh1r" not in bytes(rsa.private_key)
    assert secrets.decrypt(keys.PURPOSE, rsa.private_key)
    assert [each.level for each in dkim(one)] == [Level.WARNING] * 2
    assert signers(one) == {}
    publish(zone, rsa)
    assert {each.level for each in dkim(one)} == {Level.OK, Level.WARNING}
    assert signers(one) == {"one.example": ["mh1r"]}
    publish(zone, ed25519)
    assert services.look_for_new_keys(now=utc_now()) == 1
    assert signers(one) == {"one.example": ["mh1r", "mh1e"]}
    shown = StringIO()
    call_command("dns", "advice", "one.example", stdout=shown)
    assert f'mh1r._domainkey.one.example. 3600 IN TXT "{rsa.record[:50]}' in shown.getvalue()


@pytest.mark.spec("F-040")
def test_rotation_goes_over_to_the_next_keys_when_they_are_seen(one, zone):
    first = keys.generate(domain=one, by=None, now=utc_now())
    with pytest.raises(KeysWaiting):
        keys.generate(domain=one, by=None, now=utc_now())
    publish(zone, *first)
    dkim(one)
    second = keys.generate(domain=one, by=None, now=utc_now())
    assert [key.selector for key in second] == ["mh2r", "mh2e"]
    assert signers(one) == {"one.example": ["mh1r", "mh1e"]}
    publish(zone, *second)
    dkim(one)
    assert signers(one) == {"one.example": ["mh2r", "mh2e"]}
    old = SigningKey.objects.get(selector="mh1r")
    assert old.retired_at is not None and bytes(old.private_key) == b""
    assert keys.forget_old(now=utc_now()) == 0
    assert keys.forget_old(now=utc_now() + timedelta(days=15)) == 2
    verbs = AuditEntry.objects.filter(domain_id=one.pk).values_list("verb", flat=True)
    assert {"generated signing key", "took signing key into use", "retired signing key"} <= set(
        verbs
    )


def test_generating_is_undone_while_the_keys_wait(one, zone):
    keys.generate(domain=one, by=None, now=utc_now())
    entry = AuditEntry.objects.filter(verb="generated signing key").first()
    assert undo.has_way_back(entry)
    rule_for(entry)(entry, None)
    assert SigningKey.objects.filter(retired_at=None).count() == 1


@pytest.mark.spec("F-040")
def test_a_retired_key_signs_no_more(one, zone):
    made = keys.generate(domain=one, by=None, now=utc_now())
    keys.take_into_use(keys=[key.pk for key in made], now=utc_now())
    keys.retire(domain=one, selector="mh1e", by=None, now=utc_now())
    assert signers(one) == {"one.example": ["mh1r"]}
    with pytest.raises(KeyUnknown):
        keys.retire(domain=one, selector="mh1e", by=None, now=utc_now())


@pytest.mark.spec("G-031", "F-041")
def test_a_record_that_is_gone_or_says_another_key_is_an_error(one, zone):
    made = keys.generate(domain=one, by=None, now=utc_now())
    publish(zone, *made)
    dkim(one)
    del zone.records[made[0].record_name, "TXT"]
    zone.records[made[1].record_name, "TXT"] = ['"v=DKIM1; k=ed25519; p=AAAA"']
    found = dkim(one)
    assert [each.level for each in found] == [Level.ERROR] * 2
    assert "is gone" in found[0].text and "another key" in found[1].text


@pytest.mark.spec("D-069")
def test_an_alias_domain_has_keys_of_its_own_which_go_with_it(one, zone):
    alias = domain_services.add_alias(domain=one, name="alias.example", by=None)
    made = keys.generate(domain=one, by=None, now=utc_now())
    assert {key.name for key in made} == {"one.example", "alias.example"}
    keys.take_into_use(keys=[key.pk for key in made], now=utc_now())
    assert set(signers(one)) == {"one.example", "alias.example"}
    domain_services.remove_alias(alias=alias, by=None)
    assert set(signers(one)) == {"one.example"}
    keys.forget_old(now=utc_now())
    assert {key.name for key in SigningKey.objects.all()} == {"one.example"}


@pytest.mark.spec("D-069")
def test_domains_that_sign_get_keys_by_themselves(one, zone):
    tasks.look_for_new_keys.func()
    tasks.look_for_new_keys.func()
    assert SigningKey.objects.count() == 2


def test_the_command_lists_generates_and_retires(one, zone):
    def run(*words):
        out = StringIO()
        call_command("dkim", *words, stdout=out)
        return out.getvalue()

    assert "mh1r._domainkey.one.example" in run("generate", "one.example")
    (rsa, ed25519) = json.loads(run("list", "one.example", "--json"))
    assert (rsa["selector"], rsa["state"], ed25519["algorithm"]) == ("mh1r", "waiting", "ed25519")
    run("retire", "one.example", "mh1e")
    assert "retired" in run("list", "one.example")
    for wrong in (("retire", "one.example", "mh9r"), ("list", "none.example")):
        with pytest.raises(CommandError):
            run(*wrong)
