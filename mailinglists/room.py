"""What stands in the way of one more list, asked before somebody fills in a form (D-003)."""

from __future__ import annotations

from accounts import caps, selectors
from accounts.selectors import InUse
from domains.errors import LimitReached, ServerFull
from domains.limits import effective
from domains.models import Domain
from mailinglists.models import MailingList
from mailinglists.services import require_lists


def for_list(domain: Domain) -> LimitReached | ServerFull | None:
    """None: there is room. The answer is that of the service's own check, not locked."""
    reseller = caps.reseller_of(domain)
    try:
        require_lists(domain, reseller, caps.plan_of(reseller), adding=1)
    except (LimitReached, ServerFull) as error:
        return error
    return None


def all_in_use(domain: Domain) -> list[InUse]:
    """Every line of the Limits tab that counts something."""
    return [*selectors.in_use(domain), in_use(domain)]


def in_use(domain: Domain) -> InUse:
    """The line of the Limits tab about lists (D-087, D-092)."""
    used = MailingList.objects.filter(domain=domain).count()
    return InUse("mailing_lists", used, effective(domain.domainlimits.mailing_lists))
