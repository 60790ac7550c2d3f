"""Where an address leads: one resolver for all doors."""

from dataclasses import replace

import pytest

from accounts import directory as account_directory
from accounts.aliases import set_catch_all
from domains import directory as domain_directory
from domains import services as domain_services
from domains.directory import Cold
from domains.models import DomainFeatures
from mailboxes.errors import QuotaExceeded
from mailinglists import directory as list_directory
from protocols.address import Address
from spool import errors, routing
from spool.models import Route
from spool.routing import Question
from tests import factories
from tests.spool import listed

pytestmark = pytest.mark.django_db

STRANGER = Question(sender="eve@elsewhere.example", may_relay=False)


@pytest.fixture(autouse=True)
def _forget():
    domain_directory.clear()
    account_directory.clear()
    list_directory.clear()
    routing.settings.forget()


def resolve(address: str, question: Question = STRANGER) -> list[str]:
    return [t.address for t in routing.resolve(Address.parse(address), question).targets]


@pytest.mark.spec("N-022")
@pytest.mark.spec("U-032")
def test_a_user_is_found_whatever_the_case():
    factories.make_domain("one.example", "alice")
    assert resolve("ALICE@One.Example") == ["alice@one.example"]


@pytest.mark.spec("N-022")
def test_an_unknown_local_part_is_a_fact_of_its_own():
    factories.make_domain("one.example")
    with pytest.raises(errors.AddressUnknown):
        resolve("nobody@one.example")


@pytest.mark.spec("U-030", lacks="spam levels, at which external targets get nothing (D-051)")
def test_an_alias_leads_to_all_its_targets_once():
    domain = factories.make_domain("one.example", "alice", "bob")
    factories.make_alias(domain, "team", "alice", "bob", "out@elsewhere.example")
    factories.make_alias(domain, "all", "team", "bob")
    resolution = routing.resolve(Address.parse("all@one.example"), STRANGER)
    assert sorted((t.address, t.route, t.domain_id) for t in resolution.targets) == [
        ("alice@one.example", Route.LOCAL, domain.pk),
        ("bob@one.example", Route.LOCAL, domain.pk),
        ("out@elsewhere.example", Route.REMOTE, domain.pk),
    ]


@pytest.mark.spec("D-100")
def test_a_domain_alias_behaves_as_the_domain():
    domain = factories.make_domain("one.example", "alice")
    factories.make_domain_alias(domain, "uno.example")
    assert resolve("alice@uno.example") == ["alice@one.example"]


@pytest.mark.spec("U-011")
def test_detail_reaches_the_user_unless_he_switched_it_off():
    domain = factories.make_domain("one.example", "alice")
    factories.make_user(domain, "bob", plus_addressing=False)
    assert resolve("alice+lists@one.example") == ["alice@one.example"]
    with pytest.raises(errors.AddressUnknown):
        resolve("bob+lists@one.example")


@pytest.mark.spec("D-062", "U-034")
def test_the_catch_all_takes_unknown_names_but_no_bounces():
    domain = factories.make_domain("one.example", "alice")
    set_catch_all(domain=domain, targets=["alice"], by=None)
    assert resolve("made-up@one.example") == ["alice@one.example"]
    with pytest.raises(errors.AddressUnknown):
        resolve("made-up@one.example", Question(sender="", may_relay=False))
    report = Question(sender="", may_relay=False)
    set_catch_all(domain=domain, targets=["alice"], values={"takes_reports": True}, by=None)
    account_directory.clear()
    list_directory.clear()
    assert resolve("made-up@one.example", report) == ["alice@one.example"]
    domain_services.change_tab(domain=domain, tab="features", values={"catch_alls": False}, by=None)
    domain_directory.clear()
    for question in (STRANGER, report):
        with pytest.raises(errors.AddressUnknown):
            resolve("made-up@one.example", question)


@pytest.mark.spec("N-022")
def test_role_names_reach_the_administrator():
    factories.make_domain("one.example")
    assert resolve("postmaster@one.example") == ["admin@one.example"]
    assert resolve("Abuse@one.example") == ["admin@one.example"]
    bare = routing.resolve(Address("Postmaster", ""), STRANGER)
    assert [t.address for t in bare.targets] == ["admin@one.example"]


@pytest.mark.spec("U-031")
def test_an_internal_alias_is_closed_to_outsiders():
    domain = factories.make_domain("one.example", "alice")
    factories.make_alias(domain, "staff", "alice", internal_only=True)
    with pytest.raises(errors.NotForOutsiders):
        resolve("staff@one.example")
    inside = Question("alice@one.example", may_relay=True, submitter_domain_id=domain.pk)
    assert resolve("staff@one.example", inside) == ["alice@one.example"]


@pytest.mark.spec("G-041")
@pytest.mark.parametrize(
    "address",
    ["a@elsewhere.example", "a%elsewhere.example@other.example", '"a@b"@elsewhere.example'],
)
def test_a_stranger_may_not_relay(address):
    factories.make_domain("one.example", "alice")
    with pytest.raises(errors.RelayDenied):
        resolve(address)


@pytest.mark.spec("D-026", lacks="the events that it raises")
def test_a_domain_is_known_before_the_note_about_it_arrives():
    with pytest.raises(errors.RelayDenied):
        resolve("admin@late.example")
    factories.make_domain("late.example")
    with pytest.raises(Cold):  # the loop asks no database
        resolve("admin@late.example", replace(STRANGER, cached_only=True))
    assert resolve("admin@late.example") == ["admin@late.example"]


def test_who_may_relay_reaches_other_servers():
    question = Question("alice@one.example", may_relay=True)
    resolution = routing.resolve(Address.parse("a@Elsewhere.Example"), question)
    assert [(t.route, t.destination) for t in resolution.targets] == [
        (Route.REMOTE, "elsewhere.example")
    ]
    assert resolution.via == "remote"


@pytest.mark.spec("D-033")
def test_a_domain_with_an_address_of_its_own_exists_only_there():
    domain = factories.make_domain("one.example", "alice")
    domain_services.change_options(domain=domain, options={"listen_ip": "127.0.0.1"}, by=None)
    domain_directory.clear()
    here = Question("x@y.example", may_relay=False, local_ip="127.0.0.1")
    assert resolve("alice@one.example", here) == ["alice@one.example"]
    elsewhere = Question("x@y.example", may_relay=False, local_ip="127.0.0.2")
    with pytest.raises(errors.RelayDenied):
        resolve("alice@one.example", elsewhere)
    domain_services.change_options(domain=domain, options={"listen_ip": "192.0.2.1"}, by=None)
    domain_directory.clear()
    assert resolve("alice@one.example", elsewhere) == ["alice@one.example"], "it is gone"


@pytest.mark.spec("D-036", "U-016")
def test_disabled_domains_and_users_take_no_mail():
    domain = factories.make_domain("one.example")
    factories.make_user(domain, "gone", status="disabled")
    factories.make_user(domain, "away", status="receiving")
    with pytest.raises(errors.AccountDisabled):
        resolve("gone@one.example")
    assert resolve("away@one.example") == ["away@one.example"]
    domain_services.set_disabled(domain=domain, is_disabled=True, by=None)
    domain_directory.clear()
    with pytest.raises(errors.DomainDisabled):
        resolve("away@one.example")


@pytest.mark.spec("D-082", "U-013")
def test_a_message_that_cannot_fit_is_refused_at_once():
    domain = factories.make_domain("one.example")
    factories.make_user(domain, "small", mailbox_size_mb=1)
    big = Question("x@y.example", may_relay=False, size_bytes=1024 * 1024 + 1)
    with pytest.raises(QuotaExceeded):
        resolve("small@one.example", big)
    assert resolve("small@one.example") == ["small@one.example"]


def test_a_cold_memory_says_so_and_a_warm_one_asks_no_database(django_assert_num_queries):
    factories.make_domain("one.example", "alice")
    question = Question("x@y.example", may_relay=False, cached_only=True)
    with pytest.raises(Cold):
        resolve("alice@one.example", question)
    resolve("alice@one.example")
    with django_assert_num_queries(0):
        assert resolve("alice@one.example", question) == ["alice@one.example"]


@pytest.mark.spec("U-032", "D-070")
@pytest.mark.parametrize("is_on", [True, False])
def test_lists_and_the_command_address_are_found_unless_they_are_switched_off(is_on):
    domain = factories.make_domain("one.example", "alice")
    listed.make_list(domain=domain, posting="anyone")
    factories.make_alias(domain, "*", "alice")
    DomainFeatures.objects.filter(domain=domain).update(mailing_lists=is_on)
    for address in ("news@one.example", "news-request@one.example", "listserv@one.example"):
        question = Question("kim@elsewhere.example", may_relay=False)
        if is_on:
            (target,) = routing.resolve(Address.parse(address), question).targets
            assert (target.address, target.route) == (address, Route.LIST)
        else:
            # Nor does the catch-all get what is for a list.
            with pytest.raises(errors.AddressUnknown):
                routing.resolve(Address.parse(address), question)


@pytest.mark.spec("U-032")
def test_an_alias_may_lead_to_a_list():
    domain = factories.make_domain("one.example", "alice")
    listed.make_list(domain=domain, posting="anyone")
    factories.make_alias(domain, "all", "news", "alice")
    assert sorted(resolve("all@one.example")) == ["alice@one.example", "news@one.example"]
