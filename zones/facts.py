"""What the records of a domain are made from: this server's names, addresses, keys and ports."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import ip_address

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as conf

from certificates import files
from certificates.errors import CertificateRefused
from certificates.pem import Bundle
from domains import switches
from domains.models import Domain, DomainTechnical
from operations.addresses import own_addresses
from operations.nameservers import name_servers
from protocols.mtasts import Mode
from signing import keys
from zones import published
from zones.lookup import PATIENCE_SECONDS, Lookup, Unanswered
from zones.records import Facts, PublicKey, Service

IMPLICIT_TLS = (Service("submissions", 465), Service("imaps", 993), Service("pop3s", 995))


def new_lookup(*, patience_seconds: float = PATIENCE_SECONDS) -> Lookup:
    """Asks the servers that the operator has set (G-025)."""
    servers = name_servers() or conf.MAILHOST_DNS_SERVERS
    return Lookup(servers, patience_seconds=patience_seconds)


def gather(domain: Domain, lookup: Lookup) -> Facts:
    """Asks DNS for the addresses behind the server's name; does without where it is silent."""
    hostname = conf.MAILHOST_HOSTNAME
    known = _addresses_of(hostname, lookup)
    mail_host, addresses = hostname, known
    if domain.listen_ip:
        addresses = (domain.listen_ip,)
        if domain.listen_ip not in known and known:
            # The server's own name leads elsewhere: the domain needs one for its address.
            mail_host = f"mail.{domain.name}"
    bundle = _certificate(mail_host)
    policy = published.policy_of(domain)
    return Facts(
        domain=domain.name,
        mail_host=mail_host,
        hostname=hostname,
        addresses=addresses,
        services=_services(DomainTechnical.objects.get(domain=domain)),
        tlsa=_tlsa(bundle) if bundle is not None else "",
        is_certified=bundle is not None and not bundle.is_self_signed and bundle.covers(mail_host),
        sts_id=published.id_of(policy) if policy is not None else "",
        is_sts_enforced=policy is not None and policy.mode is Mode.ENFORCE,
        keys=public_keys(domain),
        signs=switches.is_on(domain.pk, "mail_signing"),
    )


def public_keys(domain: Domain) -> tuple[PublicKey, ...]:
    """The keys whose records should be there: those in use, and those that wait for them."""
    return tuple(
        PublicKey(key.pk, key.record_name, key.record, key.published_at is not None)
        for key in keys.keys_of(domain)
        if key.retired_at is None
    )


def _addresses_of(hostname: str, lookup: Lookup) -> tuple[str, ...]:
    """This machine's public addresses; behind NAT, those that its name leads to."""
    public = sorted(each for each in own_addresses() if ip_address(each).is_global)
    if public:
        return tuple(sorted(public, key=lambda each: ip_address(each).version, reverse=True))
    try:
        return lookup.addresses(hostname)
    except Unanswered:
        return ()


def _services(row: DomainTechnical) -> tuple[Service, ...]:
    named = [Service("imap", row.imap_port), Service("pop3", row.pop_port)]
    if row.smtp_alternate_port_enabled and row.smtp_alternate_port != 465:
        named.insert(0, Service("submission", row.smtp_alternate_port))
    return (*IMPLICIT_TLS, *named)


def _certificate(mail_host: str) -> Bundle | None:
    try:
        return files.read(files.shown_without_name(mail_host))
    except CertificateRefused:
        return None


def _tlsa(bundle: Bundle) -> str:
    """RFC 7672 §3.1.1: "3 1 1", the SHA-256 of the public key."""
    public = bundle.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {sha256(public).hexdigest()}"
