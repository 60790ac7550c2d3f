"""What a distinguished name stands for, to whoever asks. Called in threads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accounts import addressbook
from accounts import directory as accounts_directory
from accounts.addressbook import AddressIs, Kind, Listed, View
from domains import directory as domain_directory
from listeners.ldap import reading
from listeners.ldap.entries import CONTAINERS, Directory, Entry
from protocols.address import MalformedAddress, fold, parse_domain
from protocols.ldap import names
from protocols.ldap.names import Name
from protocols.ldap.results import NO_SUCH_OBJECT, Result, ResultCode
from spool.routing import ROLE_NAMES

_ADDRESS_LIST_OFF = Result(
    ResultCode.INSUFFICIENT_ACCESS_RIGHTS, "The address list of this domain is switched off."
)
# A list is also found by the names that only begin with its own.
ROWS_BY_NAME = 10
_KINDS = {ou: kind for ou, kind in CONTAINERS.items() if kind is not None}
_OF_ENTRIES = {Kind.USER: "uid", Kind.ALIAS: "cn", Kind.LIST: "cn"}


@dataclass(frozen=True, slots=True)
class Place:
    """`container` and `listed` are None for the domain itself, `listed` alone for a container.

    `is_root`: the empty name, above the domain.
    """

    directory: Directory
    view: View
    container: str | None = None
    listed: Listed | None = None
    is_root: bool = False


class Closed(Exception):
    """The domain shows no addresses (D-094); `result` is what that means for who asks."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result


def place_for(account_id: int, name: Name) -> Place | None:
    """None: nothing, or nothing that the account may see. Raises Closed."""
    view = addressbook.view_for(account_id)
    policy = None if view is None else domain_directory.policy(view.domain_id)
    if view is None or policy is None:
        return None
    if not view.is_open:
        # To an edge server "not found" would mean that nobody here can get mail.
        raise Closed(_ADDRESS_LIST_OFF if view.is_administrator else Result(ResultCode.SUCCESS))
    directory = Directory.of(policy)
    if view.is_administrator:
        directory = _with_roles(directory, policy.domain_id)
    if not name:
        return Place(directory, view, is_root=True)
    above = tuple(part for part in name if part.attribute != "dc")
    asked = _hosted(names.to_domain(name[len(above) :]))
    if asked is None or asked not in (policy.name, *policy.aliases):
        return None
    place = Place(replace(directory, asked_name=asked), view)
    return place if not above else _below(place, above)


def entry_for(account_id: int, name: Name) -> Entry | Result:
    """The one entry of that name."""
    try:
        place = place_for(account_id, name)
    except Closed as closed:
        is_refused = closed.result.code != ResultCode.SUCCESS
        return closed.result if is_refused else NO_SUCH_OBJECT
    if place is None or place.is_root:
        return NO_SUCH_OBJECT
    if place.listed is not None:
        return place.directory.entry(place.listed)
    if place.container is not None:
        return place.directory.container(place.container)
    return place.directory.domain_entry()


def _with_roles(directory: Directory, domain_id: int) -> Directory:
    """RFC 5321 §4.5.1, RFC 2142: an edge server must not refuse mail to the postmaster (N-022)."""
    account_id = accounts_directory.primary_administrator(domain_id)
    holder = None if account_id is None else accounts_directory.account(account_id)
    if holder is None:
        return directory
    free = (name for name in ROLE_NAMES if accounts_directory.lookup(domain_id, name) is None)
    return replace(directory, role_names=tuple(sorted(free)), role_holder=holder.local_part)


def _below(place: Place, above: Name) -> Place | None:
    *leaf, container = above
    ou = container.value.lower()
    if container.attribute != "ou" or ou not in CONTAINERS or len(leaf) > 1:
        return None
    if not leaf:
        return Place(place.directory, place.view, ou)
    kind = _KINDS.get(ou)
    if kind is None or leaf[0].attribute != _OF_ENTRIES[kind] or "\0" in leaf[0].value:
        return None
    criterion = AddressIs(fold(leaf[0].value))
    found = reading.read(place.view, criterion, kind, after="", rows=ROWS_BY_NAME)
    named = [one for one in found if one.local_part == criterion.local_part]
    return Place(place.directory, place.view, ou, named[0]) if named else None


def _hosted(domain: str | None) -> str | None:
    """In the form in which names of domains are kept."""
    try:
        return None if domain is None else parse_domain(domain)
    except MalformedAddress:
        return None
