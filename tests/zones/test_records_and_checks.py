"""The records that a domain needs, and the live look at them, against a real DNS server."""

import json
from io import StringIO

import dns.rdata
import dns.zone
import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from clock.moments import utc_now
from protocols import textrecords
from zones import records, selectors, services
from zones.findings import Level
from zones.lookup import Lookup
from zones.records import Facts

HOST = "mx.host.test"
ADDRESS = "192.0.2.1"


def look(domain):
    report = services.check(domain, now=utc_now())
    return {each.check: (each.level, each.text) for each in report.findings}, report


@pytest.mark.spec("G-030")
def test_the_advice_is_lines_that_a_zone_file_takes(one, zone):
    shown = StringIO()
    call_command("dns", "advice", "one.example", stdout=shown)
    text = shown.getvalue()
    zone_file = dns.zone.from_text(
        "@ 3600 IN SOA ns.test. a.test. 1 2 3 4 5\n@ 3600 IN NS ns.test.\n" + text,
        origin=".",
        relativize=False,
        check_origin=False,
    )
    found = zone_file.find_rdataset("one.example.", "MX")
    assert [each.to_text() for each in found] == [f"10 {HOST}."]
    assert f"1.2.0.192.in-addr.arpa. 3600 IN PTR {HOST}." in text
    assert f'one.example. 3600 IN TXT "v=spf1 mx ip4:{ADDRESS} ~all"' in text
    assert '_dmarc.one.example. 3600 IN TXT "v=DMARC1; p=none;' in text
    assert f"_imaps._tcp.one.example. 3600 IN SRV 0 1 993 {HOST}." in text
    assert f"_submission._tcp.one.example. 3600 IN SRV 0 1 587 {HOST}." in text
    assert "_smtp._tls.one.example. 3600 IN TXT" in text


@pytest.mark.spec("G-031")
def test_a_domain_with_all_records_is_fine(one, zone):
    found, report = look(one)
    assert report.level is Level.OK, found
    assert list(found)[:6] == ["domain", "mx", "address", "ptr", "spf", "dmarc"]


@pytest.mark.spec("G-031")
@pytest.mark.parametrize(
    ("key", "values", "check", "level", "words"),
    [
        (("one.example", "MX"), [], "mx", Level.ERROR, "no MX"),
        (("one.example", "MX"), ["0 ."], "mx", Level.ERROR, "takes no mail"),
        (("one.example", "MX"), ["5 mx.else.test."], "mx", Level.ERROR, "mx.else.test"),
        (("one.example", "MX"), ["5 mx.else.test.", f"10 {HOST}."], "mx", Level.WARNING, "prefer"),
        (("1.2.0.192.in-addr.arpa", "PTR"), [], "ptr", Level.ERROR, "no name"),
        (("1.2.0.192.in-addr.arpa", "PTR"), ["a.test."], "ptr", Level.ERROR, "lead back"),
        (("one.example", "TXT"), [], "spf", Level.WARNING, "no SPF"),
        (("one.example", "TXT"), ['"v=spf1 -all"'], "spf", Level.ERROR, "forbids"),
        (("one.example", "TXT"), ['"v=spf1 ~all"'], "spf", Level.WARNING, "does not name"),
        (("one.example", "TXT"), ['"v=spf1 wrong:x"'], "spf", Level.ERROR, "malformed"),
        (("_dmarc.one.example", "TXT"), [], "dmarc", Level.WARNING, "no DMARC"),
        (("_dmarc.one.example", "TXT"), ['"v=DMARC1"'], "dmarc", Level.ERROR, "no policy"),
        (("_25._tcp." + HOST, "TLSA"), ["3 1 1 " + "0" * 64], "tlsa", Level.WARNING, "DNSSEC"),
        (("_imaps._tcp.one.example", "SRV"), ["0 1 993 x.test."], "srv", Level.WARNING, "_imaps"),
    ],
)
def test_each_broken_record_is_named(one, zone, key, values, check, level, words):
    zone.records["mx.else.test", "A"] = ["192.0.2.77"]
    zone.records["a.test", "A"] = ["192.0.2.78"]
    zone.records[key] = values
    found, _ = look(one)
    assert found[check][0] is level, found
    assert words in found[check][1]


@pytest.mark.spec("G-031")
def test_a_key_pinned_by_dnssec_that_is_not_ours_is_an_error(one, zone):
    zone.records["_25._tcp." + HOST, "TLSA"] = ["3 1 1 " + "0" * 64]
    zone.authentic.add("_25._tcp." + HOST)
    assert look(one)[0]["tlsa"][0] is Level.ERROR


@pytest.mark.spec("G-031")
def test_a_domain_without_zone_is_an_error_and_silence_is_not(one, zone):
    zone.records.clear()
    found, report = look(one)
    assert (list(found), report.level) == (["domain"], Level.ERROR)
    zone.failing.add("one.example")
    found, report = look(one)
    assert (list(found), report.level) == (["domain"], Level.UNKNOWN)


@pytest.mark.spec("G-031", "D-033")
def test_the_address_that_a_domain_listens_on_must_be_one_of_its_servers(one, zone):
    one.listen_ip = "192.0.2.5"
    one.save()
    found, _ = look(one)
    assert found["address"][0] is Level.ERROR
    zone.records["one.example", "MX"] = ["10 mail.one.example."]
    zone.records["mail.one.example", "A"] = ["192.0.2.5"]
    found, _ = look(one)
    assert (found["address"][0], found["mx"][0]) == (Level.OK, Level.OK)


@pytest.mark.spec("G-031")
def test_the_command_says_it_in_json_and_by_its_exit_status(one, zone):
    zone.records["one.example", "MX"] = []
    shown = StringIO()
    with pytest.raises(SystemExit):
        call_command("dns", "check", "one.example", "--json", stdout=shown)
    report = json.loads(shown.getvalue())
    assert report["level"] == "error"
    assert selectors.last_report(one).level is Level.ERROR
    assert selectors.levels([one.pk]) == {one.pk: Level.ERROR}


def test_a_record_that_breaks_is_news_once(one, zone):
    assert not look(one)[1].broken
    zone.records["one.example", "MX"] = []
    assert [each.check for each in look(one)[1].broken] == ["mx"]
    assert not look(one)[1].broken
    zone.failing.add("one.example")
    assert not look(one)[1].broken
    zone.failing.clear()
    assert not look(one)[1].broken
    zone.records["one.example", "MX"] = [f"10 {HOST}."]
    assert not look(one)[1].broken
    zone.records["one.example", "MX"] = []
    assert [each.check for each in look(one)[1].broken] == ["mx"]


@given(st.text())
def test_any_text_is_tags_or_nothing(text):
    assert all("=" not in name for name in textrecords.tags(text))
    textrecords.has_version(text, "v=STSv1")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=600))
def test_quoted_text_is_read_as_it_was(text):
    data = dns.rdata.from_text("IN", "TXT", records.quoted(text))
    assert b"".join(data.strings).decode() == text


def test_names_that_dns_could_not_hold_do_not_exist():
    assert not Lookup(["127.0.0.1:9"]).ask("a" * 64 + ".test", "A").name_exists


def test_without_known_address_spf_names_the_host():
    facts = Facts("one.example", HOST, HOST, ())
    assert records.spf(facts) == f"v=spf1 mx a:{HOST} ~all"
