"""The entries of one domain's directory: their names, and what attributes they have.

dc=example,dc=com            the domain
  ou=people                  uid=ann: its users
  ou=aliases                 cn=sales: its user aliases
  ou=lists                   cn=news: its mailing lists
  ou=contacts                empty
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from accounts.addressbook import Kind, Listed
from domains.policy import DomainPolicy
from mailinglists.addressbook import addresses_of
from protocols.ldap import names
from protocols.ldap.filters import Values, fold

# RFC 4519 §3.12, RFC 2798 §3, RFC 2307 §2.1; mailGroup is Netscape's, which mail programs know.
# The last class lets an alias have a mail address.
CLASSES: dict[Kind, tuple[str, ...]] = {
    Kind.USER: ("top", "person", "organizationalPerson", "inetOrgPerson"),
    Kind.ALIAS: ("top", "nisMailAlias", "extensibleObject"),
    Kind.LIST: ("top", "mailGroup", "extensibleObject"),
}
CONTAINERS: dict[str, Kind | None] = {
    "people": Kind.USER, "aliases": Kind.ALIAS, "lists": Kind.LIST, "contacts": None,
}  # fmt: skip
DESCRIPTIONS = {
    "people": "Users", "aliases": "User aliases", "lists": "Mailing lists",
    "contacts": "Shared contacts",
}  # fmt: skip
# RFC 4519, RFC 4524: the attributes of a user's contact details.
DETAILS = {
    "job_title": "title", "company": "o", "department": "ou", "telephone": "telephoneNumber",
    "mobile": "mobile", "street": "street", "city": "l", "state": "st",
    "postal_code": "postalCode",
}  # fmt: skip
_PLACES = {kind: ou for ou, kind in CONTAINERS.items() if kind is not None}

Attributes = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """`matched_by` has values that filters find besides those shown: other forms of an address."""

    name: str
    attributes: Attributes
    matched_by: Attributes = field(default_factory=dict)

    @property
    def values(self) -> Values:
        """As filters compare them."""
        return _Folded(self)


class _Folded:
    """Folds what a filter asks for and no more: many entries are looked at for one that matches."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def get(self, attribute: str, default: Sequence[str] = ()) -> Sequence[str]:
        values = self._entry.attributes.get(attribute)
        if values is None:
            return default
        every = (*values, *self._entry.matched_by.get(attribute, ()))
        return [fold(value, attribute) for value in every]


@dataclass(frozen=True, slots=True)
class Directory:
    """That of one domain, as somebody sees it who calls it `asked_name`."""

    domain_name: str
    unicode_name: str
    domain_names: tuple[str, ...]  # every form that an address of it may have, folded
    asked_name: str
    # Local parts such as postmaster that nobody has, and the user who gets their mail.
    role_names: tuple[str, ...] = ()
    role_holder: str = ""

    @classmethod
    def of(cls, policy: DomainPolicy, asked_name: str = "") -> Directory:
        """`asked_name` is one of the domain's names; empty: its own."""
        forms = (policy.name, policy.unicode_name.lower(), *policy.aliases)
        return cls(
            policy.name, policy.unicode_name, tuple(dict.fromkeys(forms)), asked_name or policy.name
        )

    @property
    def base(self) -> str:
        return names.of_domain(self.asked_name)

    def domain_entry(self) -> Entry:
        label = self.asked_name.partition(".")[0]
        classes = ("top", "dcObject", "organization")
        return Entry(self.base, {"objectClass": classes, "dc": (label,), "o": (self.unicode_name,)})

    def container(self, ou: str) -> Entry:
        classes = ("top", "organizationalUnit")
        return Entry(
            f"ou={ou},{self.base}",
            {"objectClass": classes, "ou": (ou,), "description": (DESCRIPTIONS[ou],)},
        )

    def entry(self, listed: Listed) -> Entry:
        attribute = "uid" if listed.kind is Kind.USER else "cn"
        place = f"ou={_PLACES[listed.kind]},{self.base}"
        local_part = listed.local_part
        attributes: dict[str, tuple[str, ...]] = {"objectClass": CLASSES[listed.kind]}
        if listed.kind is Kind.USER:
            attributes |= {"uid": (local_part,), **_names_of_person(listed)}
            attributes |= {DETAILS[name]: (value,) for name, value in listed.details.items()}
        else:
            attributes["cn"] = (local_part,)
        if listed.description:
            attributes["description"] = (listed.description,)
        mailbox = "" if listed.is_catch_all else local_part
        attributes["mail"] = (f"{mailbox}@{self.domain_name}",)
        is_role_holder = listed.kind is Kind.USER and local_part == self.role_holder
        further = self.role_names if is_role_holder else ()
        if listed.kind is Kind.LIST:
            further = addresses_of(local_part)
        others = tuple(
            f"{each}@{form}"
            for each in (mailbox, *further)
            for form in self.domain_names
            if (each, form) != (mailbox, self.domain_name)
        )
        name = f"{attribute}={names.escape(local_part)},{place}"
        return Entry(name, attributes, {"mail": others} if others else {})


def _names_of_person(listed: Listed) -> dict[str, tuple[str, ...]]:
    """RFC 4519 §3.12 demands cn and sn. The last word of a name is taken for the surname."""
    full_name = " ".join(listed.full_name.split())
    if not full_name:
        return {"cn": (listed.local_part,), "sn": (listed.local_part,)}
    given, _, surname = full_name.rpartition(" ")
    found: dict[str, tuple[str, ...]] = {"cn": (full_name,), "sn": (surname,)}
    if given:
        found["givenName"] = (given,)
    return {**found, "displayName": (full_name,)}


def root(
    *,
    naming_contexts: Iterable[str],
    controls: Iterable[str],
    extensions: Iterable[str],
    mechanisms: Iterable[str],
) -> Entry:
    """What the server tells of itself to everybody. RFC 4512 §5.1."""
    listed: dict[str, tuple[str, ...]] = {
        "objectClass": ("top",),
        "namingContexts": tuple(naming_contexts),
        "supportedLDAPVersion": ("3",),
        "supportedControl": tuple(controls),
        "supportedExtension": tuple(extensions),
        # All operational attributes by "+", and filters that are always true or false.
        "supportedFeatures": ("1.3.6.1.4.1.4203.1.5.1", "1.3.6.1.4.1.4203.1.5.3"),
        "supportedSASLMechanisms": tuple(mechanisms),
        "vendorName": ("MailHost",),
    }
    return Entry("", {attribute: values for attribute, values in listed.items() if values})
