"""The disk space of a plan holds over all domains of its reseller, the server's over all."""

from __future__ import annotations

import pytest

from accounts import directory as account_directory
from accounts import plans, provisioning
from accounts.models import Role, User
from accounts.settings import CAPS
from clock.moments import utc_now
from domains.policy import MEGABYTE
from mailboxes import quota
from mailboxes.errors import QuotaExceeded, QuotaScope
from mailboxes.models import DomainUsage
from tests import factories, memories


def make_reseller() -> User:
    return User.objects.create(local_part="rob", role=Role.RESELLER, created_at=utc_now())


@pytest.mark.django_db
@pytest.mark.spec("D-081")
def test_mail_for_any_domain_of_a_reseller_is_refused_when_his_plan_is_full():
    reseller = make_reseller()
    plans.add(name="small", values={"disk_space_mb": 10}, by=None)
    first, second = factories.make_domain("one.example"), factories.make_domain("two.example")
    other = factories.make_domain("other.example")
    for domain in (first, second):
        provisioning.hand_over(domain=domain, reseller=reseller, by=None)

    def has_room(domain, size_bytes) -> bool:
        memories.forget_everything()
        admin = account_directory.account(domain.users.get(local_part="admin").pk)
        assert admin is not None
        try:
            quota.require_room(admin, size_bytes)
        except QuotaExceeded as error:
            assert error.scope is QuotaScope.PLAN
            return False
        return True

    DomainUsage.objects.update_or_create(domain=first, defaults={"bytes": 9 * MEGABYTE})
    assert has_room(second, 2 * MEGABYTE), "he is on no plan yet"
    plans.put_on(username="rob", plan_name="small", by=None)
    assert not has_room(second, 2 * MEGABYTE) and not has_room(first, 2 * MEGABYTE)
    assert has_room(second, MEGABYTE) and has_room(other, 2 * MEGABYTE)


@pytest.mark.django_db
def test_a_delivery_is_refused_by_the_plan(deliver, new_delivery, make_account, make_domain):
    domain = make_domain()
    reseller = make_reseller()
    provisioning.hand_over(domain=domain, reseller=reseller, by=None)
    plans.add(name="small", values={"disk_space_mb": 1}, by=None)
    plans.put_on(username="rob", plan_name="small", by=None)
    memories.forget_everything()
    owner = make_account(domain)
    fits, does_not = deliver(
        new_delivery(owner=owner, size_bytes=600_000), new_delivery(owner=owner, size_bytes=600_000)
    )
    assert fits.error is None
    assert does_not.error is not None and does_not.error.scope is QuotaScope.PLAN


@pytest.mark.django_db
@pytest.mark.spec("X-011")
def test_a_full_server_takes_mail_for_no_domain(deliver, new_delivery, make_account, make_domain):
    owner, other = make_account(make_domain()), make_account(make_domain())
    CAPS.change({"disk_space_mb": 1}, by=None)
    memories.forget_everything()
    fits, does_not, small = deliver(
        new_delivery(owner=owner, size_bytes=600_000),
        new_delivery(owner=other, size_bytes=600_000),
        new_delivery(owner=other, size_bytes=1_000),
    )
    assert (fits.error, small.error) == (None, None)
    assert does_not.error is not None and does_not.error.scope is QuotaScope.SERVER
    memories.forget_everything()
    account = account_directory.account(other.pk)
    assert account is not None
    with pytest.raises(QuotaExceeded) as error:
        quota.require_room(account, 600_000)
    assert error.value.scope is QuotaScope.SERVER
    quota.require_room(account, 1_000)
    CAPS.change({"disk_space_mb": 0}, by=None)
    memories.forget_everything()
    quota.require_room(account, 600_000)
