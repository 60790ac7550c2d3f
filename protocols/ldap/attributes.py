"""The attribute types of this directory, by name and number. RFC 4519, RFC 4524, RFC 2798."""

from __future__ import annotations

# Canonical name: number, further names.
_TYPES: dict[str, tuple[str, ...]] = {
    "objectClass": ("2.5.4.0",),
    "cn": ("2.5.4.3", "commonName"),
    "sn": ("2.5.4.4", "surname"),
    "givenName": ("2.5.4.42", "gn"),
    "displayName": ("2.16.840.1.113730.3.1.241",),
    "uid": ("0.9.2342.19200300.100.1.1", "userid"),
    "mail": ("0.9.2342.19200300.100.1.3", "rfc822Mailbox"),
    "telephoneNumber": ("2.5.4.20",),
    "mobile": ("0.9.2342.19200300.100.1.41", "mobileTelephoneNumber"),
    "title": ("2.5.4.12",),
    "o": ("2.5.4.10", "organizationName"),
    "ou": ("2.5.4.11", "organizationalUnitName"),
    "street": ("2.5.4.9", "streetAddress"),
    "l": ("2.5.4.7", "localityName"),
    "st": ("2.5.4.8", "stateOrProvinceName"),
    "postalCode": ("2.5.4.17",),
    "jpegPhoto": ("0.9.2342.19200300.100.1.60",),
    "dc": ("0.9.2342.19200300.100.1.25", "domainComponent"),
    "description": ("2.5.4.13",),
    # Of the root DSE. RFC 4512 §5.1, RFC 3045.
    "namingContexts": ("1.3.6.1.4.1.1466.101.120.5",),
    "supportedControl": ("1.3.6.1.4.1.1466.101.120.13",),
    "supportedExtension": ("1.3.6.1.4.1.1466.101.120.7",),
    "supportedFeatures": ("1.3.6.1.4.1.4203.1.3.5",),
    "supportedLDAPVersion": ("1.3.6.1.4.1.1466.101.120.15",),
    "supportedSASLMechanisms": ("1.3.6.1.4.1.1466.101.120.14",),
    "vendorName": ("1.3.6.1.1.4",),
}
_NAMES = {spelling.lower(): name for name, others in _TYPES.items() for spelling in (name, *others)}


def canonical(description: str) -> str | None:
    """The one name of an attribute type; None: unknown here, or with options that none has."""
    return _NAMES.get(description.lower())


def chosen(selection: tuple[str, ...]) -> frozenset[str] | None:
    """What a search asks for; None: all there is. RFC 4511 §4.5.1.8, RFC 3673.

    There are no operational attributes apart, so `+` asks for all, too.
    """
    if not selection or "*" in selection or "+" in selection:
        return None
    return frozenset(name for each in selection if (name := canonical(each)) is not None)
