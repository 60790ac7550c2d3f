"""The first pages of a domain's administrator and of a user, the bell, and counters in the menu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts import activity, services
from accounts.models import LastActivity, User
from clock.moments import to_micros, utc_now
from domains.models import DomainLimits
from jobs.models import Job, State
from mailboxes.models import AccountUsage, DomainUsage, Folder
from operations import blocks
from panel import attention
from spool.ledger import HOUR_MICROS
from spool.models import LedgerHour
from tests.browser import Visitor
from tests.factories import make_user
from tests.panel.activity import make_connection, make_job, make_process
from tests.people import World, make_world
from zones.models import ZoneCheck

pytestmark = pytest.mark.django_db
HOME = "/panel/"
MEGABYTE = 1024 * 1024
LogIn = Callable[[User], Client]


def texts(client: Client) -> list[str]:
    cache.clear()
    return [matter.text for matter in client.get(HOME).context["attention"].matters]


def to_do(client: Client) -> list[str]:
    return [task.title for task in client.get(HOME).context["tasks"] if not task.is_done]


def test_an_administrator_sees_the_figures_of_his_own_domain(world: World, log_in: LogIn) -> None:
    hour = to_micros(utc_now()) // HOUR_MICROS
    for domain, accepted in ((world.own, 70), (world.other, 800)):
        LedgerHour.objects.create(domain_id=domain.pk, hour=hour, accepted=accepted, bounced=3)
        DomainUsage.objects.update_or_create(domain=domain, defaults={"bytes": 5 * MEGABYTE})
    make_connection(make_process(), "imap", user=world.user)
    page = log_in(world.admin).get(HOME)
    figures = [(figure.text, figure.detail) for figure in page.context["figures"]]
    assert figures == [
        ("2 of 100 users", "1 online"),
        ("70 messages", "last 24 hours, 3 bounced"),
        (f"1 of {DomainLimits.objects.get(domain=world.own).user_aliases:,} aliases", "of users"),
        ("5 MB used", "of 500 MB"),
    ]
    assert "own.example" in page.content.decode()
    assert "other.example" not in page.content.decode()


def test_what_to_do_next_is_shown_until_all_of_it_is_done(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    assert to_do(client) == ["Publish the DNS records", "Protect your account"]
    ZoneCheck.objects.create(domain=world.own, checked_at=utc_now(), level="ok", findings=[])
    assert to_do(client) == ["Protect your account"]
    user = log_in(world.user)
    assert to_do(user) == ["Set up your mail program", "Say who you are", "Protect your account"]
    services.change_user(user=world.user, values={"full_name": "Alice"}, by=None)
    LastActivity.objects.update_or_create(
        user=world.user, defaults={"at": utc_now(), "service": "imap"}
    )
    assert to_do(user) == ["Protect your account"]
    services.change_user(user=world.admin, values={"full_name": "Ada"}, by=None)
    page = client.get(client.get(HOME).context["tasks"][0].url)
    assert page.status_code == 200
    activity.clear()


def test_a_user_sees_his_own_mailbox_and_how_to_set_up_a_program(
    world: World, log_in: LogIn
) -> None:
    AccountUsage.objects.update_or_create(
        account=world.user, defaults={"bytes": 3 * MEGABYTE, "messages": 12}
    )
    Folder.objects.filter(account=world.user, name="Inbox").update(unseen=4)
    page = log_in(world.user).get(HOME).content.decode()
    assert "12 messages" in page and "3 MB" in page
    assert "Incoming mail, IMAP" in page and "your user name is alice@own.example" in page


def test_what_needs_attention_is_told_to_whom_it_concerns(world: World, log_in: LogIn) -> None:
    services.change_user(user=world.user, values={"mailbox_size_mb": 10}, by=None)
    AccountUsage.objects.update_or_create(account=world.user, defaults={"bytes": 9 * MEGABYTE})
    DomainLimits.objects.filter(domain=world.own).update(users=2, disk_space_mb=10)
    DomainUsage.objects.update_or_create(domain=world.own, defaults={"bytes": 10 * MEGABYTE})
    ZoneCheck.objects.create(domain=world.own, checked_at=utc_now(), level="error", findings=[])
    make_job(world.own.pk, state=State.FAILED)
    full = "own.example has used 90 % of its disk space or more."
    failed = "1 background job has failed since yesterday."
    assert texts(log_in(world.user)) == [
        "Your mailbox is nearly full: 9 MB of 10 MB. Delete what you do not need."
    ]
    assert texts(log_in(world.admin)) == [
        "2 of 2 users are in use.", full, "1 mailbox is nearly full.",
        "The domain's DNS records are not as they have to be.", failed,
    ]  # fmt: skip
    assert texts(log_in(world.reseller)) == [full, failed]
    assert texts(log_in(world.other_admin)) == texts(log_in(world.other_reseller)) == []
    assert failed in texts(log_in(world.root))


def test_the_bell_counts_them_on_every_page_and_leads_to_them(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    assert "your attention" not in client.get("/panel/account/").content.decode()
    DomainLimits.objects.filter(domain=world.own).update(users=2)
    cache.clear()
    page = client.get("/panel/account/").content.decode()
    assert 'href="/panel/#attention"' in page and "1 thing needs your attention" in page
    assert 'id="attention"' in client.get(HOME).content.decode()


def test_the_menu_counts_what_waits(world: World, log_in: LogIn) -> None:
    blocks.add(network="198.51.100.1", seconds=600, by=None)
    make_job(world.own.pk)
    counts: dict[str, Any] = {}
    for who in (world.root, world.admin, world.other_admin, world.user):
        menu = log_in(who).get(HOME).context["menu"]
        found = {entry.label: entry.count for group in menu for entry in group.entries}
        counts[str(who)] = {label: count for label, count in found.items() if count}
    assert counts == {
        "root": {"Current blocks": 1, "Background jobs": 1},
        "admin@own.example": {"Background jobs": 1},
        "admin@other.example": {},
        "alice@own.example": {},
    }


def test_asking_what_needs_attention_costs_nothing_twice(
    world: World, log_in: LogIn, queries_grow: Any, django_assert_num_queries: Any
) -> None:
    attention.of(world.admin)
    with django_assert_num_queries(0):
        attention.of(world.admin)

    def more() -> None:
        for number in range(5):
            make_user(world.own, f"more{number}")
        Job.objects.all().delete()

    for who in (world.admin, world.user):
        growth = queries_grow(log_in(who), HOME, more if who == world.admin else lambda: None)
        assert growth.many <= growth.few <= 26


@pytest.mark.django_db(transaction=True)
def test_the_pages_in_a_browser(visitor: Visitor) -> None:
    world = make_world()
    hour = to_micros(utc_now()) // HOUR_MICROS
    LedgerHour.objects.create(domain_id=world.own.pk, hour=hour, accepted=70, delivered=60)
    DomainLimits.objects.filter(domain=world.own).update(users=2)
    visitor.log_in(world.admin).inspect(HOME, "home-administrator")
    visitor.log_in(world.user).inspect(HOME, "home-user")
