"""Which pairs each protocol listens on, and which belong to one domain alone (N-003, N-010)."""

from __future__ import annotations

import pytest

from domains import ownaddresses
from listeners import endpoints
from listeners.endpoints import SUBMISSION, wanted
from tests import factories

HERE, OWN, LOST = "127.0.0.1", "127.0.0.9", "192.0.2.1"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_offset(settings):
    settings.MAILHOST_PORT_OFFSET = 0
    settings.MAILHOST_BIND = HERE


def places(protocol):
    return {(each.ip, each.port, each.is_tls, each.purpose) for each in wanted(protocol).endpoints}


def make(name, listen_ip=None, **technical):
    domain = factories.make_domain(name, technical=technical)
    if listen_ip is not None:
        type(domain).objects.filter(pk=domain.pk).update(listen_ip=listen_ip)
    return domain


@pytest.mark.spec("N-003", "N-004")
def test_a_server_without_domains_answers_on_the_standard_ports():
    assert places("smtp") == {
        (HERE, 25, False, ""), (HERE, 587, False, SUBMISSION), (HERE, 465, True, SUBMISSION)
    }  # fmt: skip
    assert places("pop") == {(HERE, 110, False, ""), (HERE, 995, True, "")}
    assert places("ldap") == {(HERE, 389, False, ""), (HERE, 636, True, "")}
    assert places("imap") == {(HERE, 143, False, ""), (HERE, 993, True, "")}


@pytest.mark.spec("N-003", "D-044", "D-045")
def test_ports_and_addresses_of_all_enabled_domains_are_joined():
    make("one.example", smtp_port=2525, imap_port=1143)
    make("two.example", OWN, smtp_alternate_port=465, pop_port=1110)
    make("three.example", smtp_alternate_port_enabled=False, smtp_alternate_port=5870)
    off = make("off.example", smtp_port=2626)
    type(off).objects.filter(pk=off.pk).update(is_disabled=True)
    assert places("smtp") == {
        (HERE, 25, False, ""), (HERE, 587, False, SUBMISSION), (HERE, 465, True, SUBMISSION),
        (HERE, 2525, False, ""), (OWN, 25, False, ""), (OWN, 465, True, SUBMISSION),
    }  # fmt: skip
    assert (OWN, 1110, False, "") in places("pop") and (OWN, 995, True, "") in places("pop")
    assert (HERE, 1143, False, "") in places("imap")


@pytest.mark.spec("N-003")
@pytest.mark.spec("D-033")
def test_a_domain_whose_address_is_gone_listens_on_all_until_it_is_back(monkeypatch):
    lost = make("one.example", LOST, imap_port=1143)
    make("two.example", OWN)
    for _ in range(2):
        assert places("imap") == {
            (HERE, 143, False, ""), (HERE, 993, True, ""), (HERE, 1143, False, ""),
            (OWN, 143, False, ""), (OWN, 993, True, ""),
        }  # fmt: skip
    assert (HERE, 1143) not in wanted("imap").sole_domain, "it is everybody's address"
    monkeypatch.setattr(ownaddresses, "can_bind", lambda address: True)
    ownaddresses.forget()
    assert {(LOST, 1143, False, ""), (LOST, 993, True, "")} < places("imap")
    assert (HERE, 1143, False, "") not in places("imap")
    assert wanted("imap").sole_domain[LOST, 1143] == lost.pk
    ownaddresses.forget()


@pytest.mark.spec("D-033")
def test_an_address_has_the_names_of_the_first_domain_that_is_served_there():
    first = make("one.example", OWN)
    make("two.example", OWN)
    make("three.example")
    assert endpoints.names_by_address() == {OWN: ("mail.one.example", "one.example")}
    type(first).objects.filter(pk=first.pk).update(is_disabled=True)
    assert endpoints.names_by_address() == {OWN: ("mail.two.example", "two.example")}


@pytest.mark.spec("N-010")
def test_a_pair_belongs_to_the_one_domain_that_claims_it():
    alone = make("one.example")
    assert wanted("imap").sole_domain == {(HERE, 143): alone.pk}
    assert wanted("smtp").sole_domain == {(HERE, 25): alone.pk, (HERE, 587): alone.pk}
    own = make("two.example", OWN)
    assert wanted("imap").sole_domain == {(OWN, 143): own.pk, (OWN, 993): own.pk}
    make("three.example", OWN)
    make("four.example", OWN, imap_port=1143)
    # Of the third domain's ports one is still its own; TLS is shared by all on the address.
    assert wanted("imap").sole_domain.keys() == {(OWN, 1143)}


def test_many_domains_with_the_same_ports_are_one_row(django_assert_num_queries):
    for number in range(20):
        make(f"d{number}.example")
    with django_assert_num_queries(1):
        assert not wanted("smtp").sole_domain
    assert len(list(endpoints._groups("smtp"))) == 1
