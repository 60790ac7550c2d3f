"""Lists as rows: made, changed and deleted within the domain's limits (L-001, L-002, D-087)."""

import pytest

from accounts import aliases, provisioning, recyclebin
from accounts import services as account_services
from accounts.errors import FeatureOff, LocalPartTaken
from accounts.models import LocalPart, Recycled, UserAlias
from accounts.settings import CAPS
from domains.errors import LimitReached, ServerFull, ValuesRefused
from events.models import AuditEntry, Occurrence
from mailinglists import directory, membership, selectors, services, subscribercsv
from mailinglists.errors import ListUnknown, ModeratorUnknown, PatternMalformed
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Subscriber
from protocols.address import Address
from tests.factories import make_alias, make_domain, make_user

pytestmark = pytest.mark.django_db


def make_list(domain, name="news", **values):
    return services.create_list(domain=domain, local_part=name, values=values, by=None)


@pytest.mark.spec("L-002")
def test_a_list_takes_its_name_and_the_addresses_by_which_it_is_spoken_to():
    domain = make_domain()
    row = make_list(domain, "News", description="What is new")
    assert row.address == f"news@{domain.name}"
    taken = LocalPart.objects.filter(domain=domain, kind="list", object_id=row.pk)
    assert set(taken.values_list("local_part", flat=True)) == {
        "news", "news-request", "news-subscribe", "news-unsubscribe", "news-owner", "news-bounces",
    }  # fmt: skip
    with pytest.raises(LocalPartTaken):
        make_user(domain, "news-owner")


@pytest.mark.spec("L-002")
@pytest.mark.parametrize("name", ["admin", "listserv"])
def test_a_name_that_leads_somewhere_already_cannot_be_a_list(name):
    with pytest.raises(LocalPartTaken):
        make_list(make_domain(), name)


def test_a_list_whose_ending_somebody_has_is_refused_as_a_whole():
    domain = make_domain(None, "news-request")
    with pytest.raises(LocalPartTaken):
        make_list(domain)
    assert not MailingList.objects.filter(domain=domain).exists()


@pytest.mark.spec("D-087")
def test_the_limit_of_lists_refuses_growth():
    domain = make_domain(limits={"mailing_lists": 1})
    make_list(domain)
    with pytest.raises(LimitReached):
        make_list(domain, "second")


def test_the_cap_of_the_server_counts_lists_of_all_domains():
    make_list(make_domain())
    CAPS.change({"mailing_lists": 1}, by=None)
    with pytest.raises(ServerFull):
        make_list(make_domain())


def test_without_the_feature_no_list_can_be_made():
    with pytest.raises(FeatureOff):
        make_list(make_domain(features={"mailing_lists": False}))


@pytest.mark.spec("E-017")
@pytest.mark.spec("E-018")
def test_a_new_list_and_a_deleted_one_are_events_with_their_moderators():
    domain = make_domain(None, "kim")
    admin = domain.users.get(local_part="admin")
    row = services.create_list(domain=domain, local_part="news", by=admin, moderators=["kim"])
    services.delete_list(mailing_list=row, by=admin)
    facts = {
        "list": f"news@{domain.name}",
        "moderators": f"kim@{domain.name}",
        "actor": f"admin@{domain.name}",
    }
    told = Occurrence.objects.filter(domain_id=domain.pk).order_by("pk")
    assert [(one.type, one.facts) for one in told] == [("E-017", facts), ("E-018", facts)]
    assert not LocalPart.objects.filter(domain=domain, kind="list").exists()
    with pytest.raises(ListUnknown):
        selectors.list_by_name(domain, "news")


def test_aliases_no_longer_lead_to_a_deleted_list():
    domain = make_domain(None, "kim")
    row = make_list(domain)
    make_alias(domain, "all", "news", "kim")
    make_alias(domain, "only", "news-owner")
    services.delete_list(mailing_list=row, by=None)
    left = {one.local_part: aliases.target_names(one) for one in UserAlias.objects.all()}
    assert left == {"all": ["kim"]}


def test_values_are_checked_all_at_once_and_nothing_is_kept():
    row = make_list(make_domain())
    values = {"posting": "nobody", "bounce_limit": 0, "footer_text": "a\x00b", "unheard": 1}
    with pytest.raises(ValuesRefused) as refused:
        services.change_list(mailing_list=row, values=values, by=None)
    named = {problem.field for problem in refused.value.problems}
    assert named == {"posting", "bounce_limit", "footer_text", "unheard"}


def test_the_post_password_is_kept_hashed_and_never_told():
    row = make_list(make_domain())
    services.change_list(mailing_list=row, values={}, post_password="swordfish", by=None)
    row.refresh_from_db()
    assert row.post_password.startswith("argon2")
    entry = AuditEntry.objects.get(verb="changed mailing list")
    assert entry.changes["post_password"] == ["", "***"]


@pytest.mark.spec("L-011")
def test_moderators_are_users_of_the_domain():
    domain = make_domain(None, "kim")
    row = make_list(domain)
    services.set_moderators(mailing_list=row, usernames=["kim"], by=None)
    with pytest.raises(ModeratorUnknown):
        services.set_moderators(mailing_list=row, usernames=["nobody"], by=None)
    kim = domain.users.get(local_part="kim")
    assert selectors.list_for(kim, row.address) == row
    with pytest.raises(ListUnknown):
        selectors.list_for(make_user(domain, "lee"), row.address)


def test_who_may_post_always_or_never_is_an_address_or_a_domain():
    row = make_list(make_domain())
    rules = [("Kim@Example.ORG", "allow"), ("@spam.example", "ban")]
    services.set_poster_rules(mailing_list=row, rules=rules, by=None)
    assert services.rules_of(row) == ["allow kim@example.org", "ban @spam.example"]
    with pytest.raises(PatternMalformed):
        services.set_poster_rules(mailing_list=row, rules=[("spam", "ban")], by=None)


def test_a_file_of_subscribers_comes_in_and_goes_out_again():
    row = make_list(make_domain())
    content = (
        "\ufeffE-mail;Name;Mode\nkim@a.example;Kim;digest\nno address;;\n'=x@a.example;=1+1;\n"
    )
    *_, added = membership.import_subscribers(
        mailing_list=row, rows=subscribercsv.read(content.encode()), by=None
    )
    assert (added.added, added.known, added.malformed) == (2, 0, ["no address"])
    written = "".join(subscribercsv.lines(row))
    assert "kim@a.example,Kim,digest,active," in written
    assert "'=x@a.example,'=1+1,standard" in written
    *_, again = membership.import_subscribers(
        mailing_list=row, rows=subscribercsv.read(written.encode()), by=None
    )
    assert (again.added, again.known) == (0, 2)


def test_a_subscriber_is_known_whatever_the_case():
    row = make_list(make_domain())
    rows = [NewSubscriber("Kim@A.example"), NewSubscriber("kim@a.EXAMPLE")]
    result = membership.add_subscribers(mailing_list=row, rows=rows, by=None)
    assert (result.added, result.known) == (1, 1)
    assert Subscriber.objects.get(mailing_list=row).address == "Kim@a.example"


def test_a_domain_that_comes_back_from_the_recycle_bin_has_its_lists():
    domain = make_domain("back.example", "kim")
    row = services.create_list(domain=domain, local_part="news", moderators=["kim"], by=None)
    new = [NewSubscriber("lee@a.example")]
    membership.add_subscribers(mailing_list=row, rows=new, by=None)
    provisioning.close_domain(domain=domain, by=None)
    item = Recycled.objects.get(name="back.example")
    recyclebin.restore(item=item, by=None)
    found = selectors.list_by_address(Address.parse("news@back.example"))
    assert (found.pk, found.subscribers.count()) == (row.pk, 1)
    assert services.moderator_names(found) == ["kim"]
    with pytest.raises(LocalPartTaken):
        make_user(domain, "news-request")


def test_a_domain_that_goes_for_good_takes_its_lists_along():
    domain = make_domain("gone.example")
    row = make_list(domain)
    membership.add_subscribers(mailing_list=row, rows=[NewSubscriber("lee@a.example")], by=None)
    provisioning.close_domain(domain=domain, by=None)
    recyclebin.purge(item=Recycled.objects.get(name="gone.example"), by=None)
    assert not MailingList.objects.exists() and not Subscriber.objects.exists()


def test_a_moderator_in_the_recycle_bin_runs_no_list():
    domain = make_domain(None, "kim")
    row = services.create_list(domain=domain, local_part="news", moderators=["kim"], by=None)
    account_services.delete_user(user=domain.users.get(local_part="kim"), by=None)
    assert services.moderator_names(row) == []
    directory.clear()
    assert directory.policy(row.pk).moderators == frozenset()
