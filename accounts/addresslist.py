"""Who stands in the Global Address List: by the administrator's word and the user's own (U-017).

The one answer for pages, searches, completion and LDAP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from accounts.errors import FeatureOff
from accounts.models import User

OWN = "opts_out_of_address_list"

# The same as `is_hidden`, for many: a wish counts only while the domain heeds wishes (D-057).
_HIDDEN = Q(hide_from_address_list=True) | Q(
    opts_out_of_address_list=True, domain__domaintechnical__allow_ldap_opt_out=True
)


def may_choose(user: User) -> bool:
    """Whether the user has a switch of his own (D-057)."""
    return user.domain is not None and user.domain.domaintechnical.allow_ldap_opt_out


def is_hidden(user: User) -> bool:
    """From everybody but administrators; an earlier wish is ignored where D-057 is off."""
    return user.hide_from_address_list or (user.opts_out_of_address_list and may_choose(user))


def listed(users: QuerySet[User]) -> QuerySet[User]:
    """Without those who are hidden."""
    return users.exclude(_HIDDEN)


def require_choice(user: User, values: Mapping[str, Any]) -> None:
    """What a user sets about himself. Raises FeatureOff if he has no such switch."""
    if OWN in values and not may_choose(user):
        raise FeatureOff(OWN)
