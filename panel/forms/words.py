"""Labels and units from the names of settings, the same on every page."""

from __future__ import annotations

SPELLED = {
    "smtp": "SMTP", "pop": "POP", "imap": "IMAP", "ldap": "LDAP", "spf": "SPF", "ipv4": "IPv4",
    "ipv6": "IPv6", "syncml": "SyncML", "ip": "IP", "cram": "CRAM", "md5": "MD5", "dns": "DNS",
    "tls": "TLS", "url": "URL",
}  # fmt: skip
UNITS = {
    "_mb_per_hour": "MB / hour",
    "_per_hour": "/ hour",
    "_mb": "MB",
    "_kb": "KB",
    "_bytes": "bytes",
    "_seconds": "seconds",
    "_minutes": "minutes",
    "_hours": "hours",
    "_days": "days",
}


def unit(name: str) -> str:
    """Empty if the number of that name has none."""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def label(name: str) -> str:
    """`max_message_size_kb` is read as "Max message size": the unit stands with the number."""
    end = next((end for end in UNITS if name.endswith(end)), "")
    words = name.removesuffix(end).split("_")
    spelled = " ".join(SPELLED.get(word, word) for word in words)
    return spelled[:1].upper() + spelled[1:]
