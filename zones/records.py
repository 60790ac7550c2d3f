"""The records that a domain needs for mail, as lines for its zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

TTL_SECONDS = 3600
PREFERENCE = 10
LONGEST_STRING = 255  # RFC 1035 §3.3: octets of one string of a TXT record


class Need(StrEnum):
    """How badly mail wants the record."""

    REQUIRED = "required"
    ADVISED = "advised"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Service:
    """One service that mail programs look for (RFC 6186 §3, RFC 8314 §5.1)."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A DKIM key and the record that others need to verify what it signs (F-041)."""

    key_id: int
    name: str  # of the record
    text: str
    is_in_use: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of the server and of one domain on it."""

    domain: str
    mail_host: str  # where its MX points
    hostname: str  # what EHLO says
    addresses: tuple[str, ...]  # of `mail_host`; empty: they are not known here
    services: tuple[Service, ...] = ()
    tlsa: str = ""  # data of the TLSA record; empty: there is no certificate to tell of
    is_certified: bool = False  # by an authority, for the name of `mail_host`
    sts_id: str = ""  # of the domain's MTA-STS policy; empty: it has none
    is_sts_enforced: bool = False
    keys: tuple[PublicKey, ...] = ()  # that its mail is signed with, or will be
    signs: bool = True  # D-069


@dataclass(frozen=True, slots=True)
class Record:
    """`check` is the key of the check that looks at it; names have no final dot."""

    check: str
    name: str
    type: str
    value: str
    need: Need
    why: str

    @property
    def line(self) -> str:
        """For a zone file, whatever its $ORIGIN."""
        return f"{self.name}. {TTL_SECONDS} IN {self.type} {self.value}"


def records(facts: Facts) -> list[Record]:
    """All that the domain should have, the most important first."""
    return [
        *_mx(facts),
        *_addresses(facts),
        *_policies(facts),
        *_keys(facts),
        *_transport(facts),
        *_services(facts),
    ]


def spf(facts: Facts) -> str:
    """RFC 7208: the servers that receive its mail, and this one by address."""
    ours = [f"ip{ip_address(each).version}:{each}" for each in facts.addresses]
    return " ".join(["v=spf1", "mx", *(ours or [f"a:{facts.hostname}"]), "~all"])


def quoted(text: str) -> str:
    """A value of TXT as zone files write it, in strings of the length that DNS allows."""
    escaped = [text[at : at + LONGEST_STRING] for at in range(0, len(text), LONGEST_STRING)]
    return " ".join(
        '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in escaped or [""]
    )


def _mx(facts: Facts) -> Iterator[Record]:
    yield Record(
        "mx",
        facts.domain,
        "MX",
        f"{PREFERENCE} {facts.mail_host}.",
        Need.REQUIRED,
        "Other servers bring the domain's mail here.",
    )


def _addresses(facts: Facts) -> Iterator[Record]:
    for address in facts.addresses:
        six = ip_address(address).version == 6
        yield Record(
            "address",
            facts.mail_host,
            "AAAA" if six else "A",
            address,
            Need.REQUIRED,
            "The MX names a host, which needs an address.",
        )
    for address in facts.addresses:
        yield Record(
            "ptr",
            ip_address(address).reverse_pointer,
            "PTR",
            f"{facts.mail_host}.",
            Need.REQUIRED,
            "Set by whoever gave you the address: many servers refuse mail from one without name.",
        )


def _policies(facts: Facts) -> Iterator[Record]:
    yield Record(
        "spf",
        facts.domain,
        "TXT",
        quoted(spf(facts)),
        Need.ADVISED,
        "Names the servers that may send in the domain's name; add the others that do.",
    )
    yield Record(
        "dmarc",
        f"_dmarc.{facts.domain}",
        "TXT",
        quoted(f"v=DMARC1; p=none; rua=mailto:postmaster@{facts.domain}"),
        Need.ADVISED,
        "Asks others to report on mail in the domain's name; sharpen p later.",
    )


def _keys(facts: Facts) -> Iterator[Record]:
    for key in facts.keys if facts.signs else ():
        yield Record(
            "dkim",
            key.name,
            "TXT",
            quoted(key.text),
            Need.ADVISED,
            "Others verify by it that mail is from the domain and unchanged (DKIM)."
            if key.is_in_use
            else "A new key (DKIM): mail is signed with it as soon as the record is seen.",
        )


def _transport(facts: Facts) -> Iterator[Record]:
    if facts.sts_id:
        yield Record(
            "mta-sts",
            f"_mta-sts.{facts.domain}",
            "TXT",
            quoted(f"v=STSv1; id={facts.sts_id}"),
            Need.OPTIONAL,
            "Tells other servers to insist on TLS; the policy is served from here.",
        )
        yield Record(
            "mta-sts",
            f"mta-sts.{facts.domain}",
            "CNAME",
            f"{facts.hostname}.",
            Need.OPTIONAL,
            "Where the policy is fetched by HTTPS; this name needs a certificate.",
        )
    yield Record(
        "tls-rpt",
        f"_smtp._tls.{facts.domain}",
        "TXT",
        quoted(f"v=TLSRPTv1; rua=mailto:postmaster@{facts.domain}"),
        Need.OPTIONAL,
        "Asks others to report when they could not encrypt.",
    )
    if facts.tlsa:
        yield Record(
            "tlsa",
            f"_25._tcp.{facts.mail_host}",
            "TLSA",
            facts.tlsa,
            Need.OPTIONAL,
            "Pins this server's key: only in a zone signed with DNSSEC, and a renewed certificate"
            " wants a new one.",
        )


def _services(facts: Facts) -> Iterator[Record]:
    for service in facts.services:
        yield Record(
            "srv",
            f"_{service.name}._tcp.{facts.domain}",
            "SRV",
            f"0 1 {service.port} {facts.mail_host}.",
            Need.OPTIONAL,
            "Mail programs find their settings by it.",
        )
