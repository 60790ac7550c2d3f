"""Users have an hour of their own beside that of their domain."""

import pytest

from accounts import permissions
from accounts import services as account_services
from accounts.directory import login
from accounts.models import User
from events.models import Occurrence
from spool import throttled
from spool.throttled import release
from tests import factories
from tests.spool import outgoing
from tests.spool.hourly import TEN_TO_THREE, limited, look, send, submit_as_alice, throttling, used
from tests.spool.outgoing import submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.mark.spec("T-011", "E-023")
def test_a_user_has_an_hour_of_his_own_beside_the_domains():
    domain = limited(messages=4)
    alice = User.objects.get(local_part="alice")
    account_services.change_user(user=alice, values=throttling(messages=2), by=None)
    outgoing.forget_everything()
    for number in range(3):
        submit_as_alice(f"alices{number}@far.test")
    for number in range(3):
        submit(f"others{number}@far.test")
    assert look(TEN_TO_THREE) == ["alices0", "alices1", "others0", "others1"]
    assert used(domain.pk)[0] == 4
    [user_event, domain_event] = Occurrence.objects.order_by("-type").reverse()
    assert (user_event.type, user_event.account_id) == ("E-023", alice.pk)
    assert user_event.facts["who"] == "alice@one.example"
    assert user_event.facts["reason"] == "messages"
    assert (domain_event.type, domain_event.account_id) == ("E-024", None)


@pytest.mark.spec("T-011")
def test_the_limits_of_a_user_are_settings_like_any_other():
    domain = factories.make_domain("one.example")
    bob = factories.make_user(domain, "bob", **throttling(messages=3, bandwidth_mb=1, bounces=2))
    policy = login("bob@one.example", local_ip=None)
    assert policy.throttling.outgoing_messages_per_hour == 3
    assert policy.throttling.outgoing_bytes_per_hour == 1024 * 1024
    assert policy.throttling.bounces_received_per_hour == 2
    fresh = factories.make_user(domain, "fresh")
    assert (fresh.outgoing_messages_per_hour, fresh.outgoing_bandwidth_mb_per_hour) == (5000, 100)
    assert fresh.bounces_received_per_hour == 1000
    assert bob.outgoing_messages_per_hour_enabled
    assert not fresh.outgoing_messages_per_hour_enabled


@pytest.mark.spec("T-011")
def test_what_an_hour_allows_a_user_is_set_from_above_the_domain():
    domain = factories.make_domain("one.example")
    admin = User.objects.get(local_part="admin")
    root, _ = account_services.create_system_administrator("root", "correct horse battery")

    def may_change(actor, values):
        verbs = account_services.verbs_to_change(values)
        return all(permissions.may(actor, verb, domain) for verb in verbs)

    assert may_change(admin, {"mailbox_size_mb": 10})
    assert not may_change(admin, {"outgoing_messages_per_hour": 10})
    assert may_change(root, {"outgoing_messages_per_hour": 10})


@pytest.mark.spec("T-013", "T-011")
def test_a_user_is_released_apart_from_his_domain(clock):
    limited(messages=9)
    alice = User.objects.get(local_part="alice")
    account_services.change_user(user=alice, values=throttling(messages=1), by=None)
    outgoing.forget_everything()
    submit_as_alice("a@far.test")
    submit_as_alice("b@far.test")
    send(TEN_TO_THREE)
    [shown] = throttled.throttled(clock.now)
    assert (shown.kind, shown.who, shown.waiting) == ("user", "alice@one.example", 1)
    assert release(kind="user", key_id=alice.pk, by=None, now=clock.now) == 1
    assert send(TEN_TO_THREE) == ["b"]
