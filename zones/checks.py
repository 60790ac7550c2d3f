"""The live check of a domain's records (G-031): it warns, and never stands in anybody's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address

from protocols import textrecords
from spool.senderpolicy import Verdict
from zones.findings import Finding, Level
from zones.lookup import Answer, Lookup, Unanswered
from zones.records import Facts, PublicKey
from zones.spf import verdict

Check = Callable[[Facts, Lookup], Iterable[Finding]]


def check(facts: Facts, lookup: Lookup) -> list[Finding]:
    """All findings in the order of findings.TITLES."""
    try:
        exists = lookup.ask(facts.domain, "SOA").name_exists
    except Unanswered:
        text = f"The name servers of {facts.domain} do not answer."
        return [Finding("domain", Level.UNKNOWN, text)]
    if not exists:
        text = f"{facts.domain} does not exist in DNS: it is not registered, or has no zone."
        return [Finding("domain", Level.ERROR, text)]
    found = [Finding("domain", Level.OK, f"{facts.domain} exists.")]
    for key, look in CHECKS.items():
        try:
            found += look(facts, lookup)
        except Unanswered as error:
            found.append(Finding(key, Level.UNKNOWN, f"{error.name}: {error.reason}."))
    return found


def _mx(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    servers = _mx_hosts(facts.domain, lookup)
    if not servers:
        yield Finding("mx", Level.ERROR, "There is no MX record: mail may never arrive.")
        return
    if servers == ["."]:
        yield Finding("mx", Level.ERROR, "The MX record says that the domain takes no mail.")
        return
    here = [host for host in servers if _is_here(host, facts, lookup)]
    listed = ", ".join(servers)
    if not here:
        yield Finding("mx", Level.ERROR, f"No MX record leads to this server, but to {listed}.")
    elif here[0] != servers[0]:
        text = f"{servers[0]} is preferred to this server ({here[0]})."
        yield Finding("mx", Level.WARNING, text)
    else:
        yield Finding("mx", Level.OK, f"Mail is brought to {listed}.")


def leads_here(name: str, facts: Facts, lookup: Lookup) -> bool:
    """Whether mail for the name is brought to this server before any other. Raises Unanswered."""
    servers = _mx_hosts(name, lookup)
    return bool(servers) and servers[0] != "." and _is_here(servers[0], facts, lookup)


def _is_here(host: str, facts: Facts, lookup: Lookup) -> bool:
    if host in (facts.hostname, facts.mail_host):
        return True
    return bool(set(_plain(lookup.addresses(host))) & set(_plain(facts.addresses)))


def _address(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    """The address that the domain listens on must be one of its MX hosts'."""
    found: set[str] = set()
    for host in _mx_hosts(facts.domain, lookup) or [facts.mail_host]:
        addresses = lookup.addresses(host) if host != "." else ()
        found.update(_plain(addresses))
        if not addresses:
            yield Finding("address", Level.ERROR, f"{host} has no address.")
    ours = set(_plain(facts.addresses))
    if not ours:
        text = f"{facts.hostname} has no public address, so nobody can bring mail."
        yield Finding("address", Level.ERROR, text)
    elif not ours & found:
        text = f"None of the mail servers has the address {_listed(ours)}."
        yield Finding("address", Level.ERROR, text)
    elif ours - found:
        text = f"No mail server has the address {_listed(ours - found)}, which is ours, too."
        yield Finding("address", Level.WARNING, text)
    else:
        yield Finding("address", Level.OK, f"The mail servers have the address {_listed(ours)}.")


def _ptr(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    """RFC 1912 §2.1: the name of the address leads back to it, and is the one in EHLO."""
    for address in facts.addresses:
        names = lookup.ask(ip_address(address).reverse_pointer, "PTR").values
        confirmed = [name for name in names if address in _plain(lookup.addresses(name))]
        if not names:
            text = f"{address} has no name: many servers refuse mail from it."
            yield Finding("ptr", Level.ERROR, text)
        elif not confirmed:
            text = f"{address} is called {names[0]}, which does not lead back to it."
            yield Finding("ptr", Level.ERROR, text)
        elif not {facts.hostname, facts.mail_host} & set(confirmed):
            text = f"{address} is called {confirmed[0]}, not {facts.mail_host} as in EHLO."
            yield Finding("ptr", Level.WARNING, text)
        else:
            yield Finding("ptr", Level.OK, f"{address} is called {confirmed[0]}.")


def _spf(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    for address in facts.addresses:
        found = verdict(lookup, client_ip=address, domain=facts.domain)
        level, text = _SPF[found]
        yield Finding("spf", level, text.format(address))


_SPF = {
    Verdict.PASS: (Level.OK, "The SPF record lets {} send."),
    Verdict.NONE: (Level.WARNING, "There is no SPF record: anybody may use the domain's name."),
    Verdict.NEUTRAL: (Level.WARNING, "The SPF record says nothing about {}."),
    Verdict.SOFTFAIL: (Level.WARNING, "The SPF record does not name {}, from which we send."),
    Verdict.FAIL: (Level.ERROR, "The SPF record forbids {} to send: mail will be refused."),
    Verdict.PERMERROR: (Level.ERROR, "The SPF record is malformed, or there are several."),
    Verdict.TEMPERROR: (Level.UNKNOWN, "SPF could not be evaluated for {}: DNS is silent."),
}


def _dkim(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    """Each record says our key (F-041); others' keys, of other senders, are none of ours."""
    if not facts.signs:
        yield Finding("dkim", Level.OK, "Mail signing is switched off for the domain.")
    elif not facts.keys:
        text = "Keys to sign mail with are made within minutes; their records are to be added then."
        yield Finding("dkim", Level.OK, text)
    for key in facts.keys if facts.signs else ():
        found = _versioned(lookup, key.name, "v=DKIM1")
        if is_published(key, lookup):
            yield Finding("dkim", Level.OK, f"{key.name} says our key.")
        elif found:
            text = f"{key.name} says another key than ours, so what we sign counts for nothing."
            yield Finding("dkim", Level.ERROR, text)
        elif key.is_in_use:
            text = f"{key.name} is gone: nobody can verify the signatures of the domain's mail."
            yield Finding("dkim", Level.ERROR, text)
        else:
            text = f"{key.name} is not there yet: nothing is signed with the new key until it is."
            yield Finding("dkim", Level.WARNING, text)


def is_published(key: PublicKey, lookup: Lookup) -> bool:
    """Whether the one record of the key says what it should. Raises Unanswered."""
    found = _versioned(lookup, key.name, "v=DKIM1")
    wanted = textrecords.tags(key.text)
    said = [textrecords.tags(text) for text in found]
    return len(said) == 1 and all(
        "".join(said[0].get(tag, default).split()) == wanted[tag]
        for tag, default in (("k", "rsa"), ("p", ""))
    )


def _dmarc(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    found = _versioned(lookup, f"_dmarc.{facts.domain}", "v=DMARC1")
    if not found:
        text = "There is no DMARC record: large providers trust the domain's mail less."
        yield Finding("dmarc", Level.WARNING, text)
    elif len(found) > 1:
        yield Finding("dmarc", Level.ERROR, "There are several DMARC records: none counts.")
    elif (policy := textrecords.tags(found[0]).get("p", "")) not in textrecords.DMARC_POLICIES:
        yield Finding("dmarc", Level.ERROR, "The DMARC record has no policy: p=none at least.")
    else:
        yield Finding("dmarc", Level.OK, f"The DMARC policy is {policy}.")


def _mta_sts(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    found = _versioned(lookup, f"_mta-sts.{facts.domain}", "v=STSv1")
    if not found:
        yield Finding("mta-sts", Level.OK, "MTA-STS is not published; it is optional.")
    elif len(found) > 1:
        yield Finding("mta-sts", Level.ERROR, "There are several MTA-STS records: none counts.")
    elif not facts.sts_id:
        text = "MTA-STS is published, yet this server has no policy for the domain."
        yield Finding("mta-sts", Level.WARNING, text)
    elif not lookup.addresses(f"mta-sts.{facts.domain}"):
        text = f"mta-sts.{facts.domain} has no address: nobody can fetch the policy."
        yield Finding("mta-sts", Level.ERROR, text)
    elif facts.is_sts_enforced and not facts.is_certified:
        text = f"The policy demands a certificate for {facts.mail_host}, which is not there."
        yield Finding("mta-sts", Level.ERROR, text)
    elif textrecords.tags(found[0]).get("id") != facts.sts_id:
        text = f"The policy has changed: its record should have the id {facts.sts_id}."
        yield Finding("mta-sts", Level.WARNING, text)
    else:
        yield Finding("mta-sts", Level.OK, "MTA-STS is published.")


def _tls_rpt(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    found = _versioned(lookup, f"_smtp._tls.{facts.domain}", "v=TLSRPTv1")
    if not found:
        yield Finding("tls-rpt", Level.OK, "Nobody is asked for reports on TLS; it is optional.")
    elif len(found) > 1:
        yield Finding("tls-rpt", Level.ERROR, "There are several records for reports on TLS.")
    elif not textrecords.tags(found[0]).get("rua"):
        text = "The record for reports on TLS does not say where to send them (rua)."
        yield Finding("tls-rpt", Level.ERROR, text)
    else:
        yield Finding("tls-rpt", Level.OK, "Others are asked for reports on TLS.")


def _tlsa(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    answer = lookup.ask(f"_25._tcp.{facts.mail_host}", "TLSA")
    pinned = [value for value in answer.values if value.startswith("3 1 1 ")]
    if not answer.values:
        yield Finding("tlsa", Level.OK, "The server's key is not pinned; it is optional.")
    elif not answer.is_authentic:
        text = "There are TLSA records, yet DNSSEC does not prove them: they are of no use."
        yield Finding("tlsa", Level.WARNING, text)
    elif facts.tlsa in pinned:
        yield Finding("tlsa", Level.OK, "A TLSA record pins the key of this server.")
    elif len(pinned) == len(answer.values):
        text = "The TLSA records are of another key: careful servers will bring no mail."
        yield Finding("tlsa", Level.ERROR, text)
    else:
        text = "The TLSA records are not of the kind that is recommended here (3 1 1)."
        yield Finding("tlsa", Level.WARNING, text)


def _srv(facts: Facts, lookup: Lookup) -> Iterator[Finding]:
    elsewhere = []
    present = 0
    for service in facts.services:
        answer: Answer = lookup.ask(f"_{service.name}._tcp.{facts.domain}", "SRV")
        ends = [value.split()[2:] for value in answer.values]
        here = [[str(service.port), host] for host in (facts.mail_host, facts.hostname)]
        present += bool(ends)
        if ends and not any(end in here for end in ends):
            elsewhere.append(f"_{service.name}._tcp")
    if elsewhere:
        text = f"Mail programs are sent to another server or port by {', '.join(elsewhere)}."
        yield Finding("srv", Level.WARNING, text)
    elif present < len(facts.services):
        text = f"{present} of {len(facts.services)} SRV records exist; they are optional."
        yield Finding("srv", Level.OK, text)
    else:
        yield Finding("srv", Level.OK, "Mail programs find their settings by SRV records.")


def _mx_hosts(domain: str, lookup: Lookup) -> list[str]:
    """The most preferred first; "." alone: a null MX (RFC 7505)."""
    pairs = [value.split() for value in lookup.ask(domain, "MX").values]
    return [host for _, host in sorted((int(preference), host) for preference, host in pairs)]


def _versioned(lookup: Lookup, name: str, version: str) -> list[str]:
    return [
        text for text in lookup.ask(name, "TXT").values if textrecords.has_version(text, version)
    ]


def _plain(addresses: Iterable[str]) -> list[str]:
    return [str(ip_address(each)) for each in addresses]


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses))


CHECKS: dict[str, Check] = {
    "mx": _mx,
    "address": _address,
    "ptr": _ptr,
    "spf": _spf,
    "dmarc": _dmarc,
    "dkim": _dkim,
    "mta-sts": _mta_sts,
    "tls-rpt": _tls_rpt,
    "tlsa": _tlsa,
    "srv": _srv,
}
