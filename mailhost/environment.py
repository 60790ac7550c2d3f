"""Reads MAILHOST_* variables; a wrong value is told in words, with what would be right."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from django.core.exceptions import ImproperlyConfigured

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def text(name: str, default: str) -> str:
    """An empty variable counts as absent everywhere here."""
    return os.environ.get(name, "").strip() or default


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise ImproperlyConfigured(f"{name} must be a number from {least} to {most}, not {value!r}")
    return int(value)


def flag(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in (*_TRUE, *_FALSE):
        raise ImproperlyConfigured(f"{name} must be yes or no, not {value!r}")
    return value in _TRUE


def choice(name: str, default: str, *, allowed: Sequence[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """Several values, separated by commas."""
    found = [word.strip() for word in text(name, "").split(",")]
    return [word for word in found if word] or list(default)


def ip(name: str, default: str) -> str:
    value = text(name, default)
    try:
        return str(ip_address(value))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be an IP address, not {value!r}") from None


def is_hostname(name: str) -> bool:
    return len(name) <= 253 and _HOSTNAME.match(name) is not None


def hostname(name: str, default: str) -> str:
    """In lower case. A machine's own name may be no proper one: then it is localhost."""
    value = text(name, default if is_hostname(default.lower()) else "localhost").lower()
    if not is_hostname(value):
        raise ImproperlyConfigured(f"{name} must be a host name, not {value!r}")
    return value


def networks(name: str, default: Sequence[str]) -> list[str]:
    """Addresses and CIDR networks, separated by commas."""
    found = words(name, default)
    for word in found:
        try:
            ip_network(word)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} must be networks such as 192.0.2.0/24, not {word!r}"
            ) from None
    return found
