"""The Technical tab: ports, authentication, exclusions (D-043…D-057, G-015)."""

from __future__ import annotations

from django.db import models

from domains.models.tab import Tab, port, switch


class SpamExclusion(models.TextChoices):
    """From which spam level on an automatic message is withheld (D-050)."""

    NONE = "none", "None"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium and above"
    LOW = "low", "Low and above"


class SourceAddress(models.TextChoices):
    """From which address the domain's mail leaves (G-015)."""

    DOMAIN = "domain", "The domain's IP address"
    SERVER = "server", "The server's default"
    CHOSEN = "chosen", "A chosen address"


class DomainTechnical(Tab):
    smtp_port = port(25, "Where the domain accepts mail.")
    smtp_alternate_port = port(587, "Where users send who cannot reach port 25; 465 means TLS.")
    smtp_alternate_port_enabled = switch(True, "Listen on the alternate port.")
    pop_port = port(110, "POP3 with STLS.")
    imap_port = port(143, "IMAP with STARTTLS.")
    ldap_port = port(389, "LDAP with StartTLS.")
    autoresponder_exclusions = models.CharField(
        max_length=6,
        choices=SpamExclusion.choices,
        default=SpamExclusion.MEDIUM,
        help_text="Spam at or above this level gets no automatic reply.",
    )
    forwarding_exclusions = models.CharField(
        max_length=6,
        choices=SpamExclusion.choices,
        default=SpamExclusion.MEDIUM,
        help_text="Spam at or above this level is kept, not forwarded.",
    )
    require_smtp_authentication = switch(True, "Users must log in before they send.")
    require_smtp_authentication_for_author = switch(
        False, "Refuse unauthenticated mail whose From: header names this domain, too."
    )
    accept_spf_pass_without_authentication = switch(
        False, "Accept unauthenticated senders of this domain whose SPF check passes."
    )
    bypass_forward_blacklist = switch(False, "Users may forward to any domain.")
    autoresponder_once_per_day = switch(True, "One automatic reply a day to each sender.")
    disable_greylisting = switch(False, "Accept first contacts without delay.")
    allow_ldap_opt_out = switch(False, "Users may hide from the Global Address List.")
    source_address_ipv4 = models.CharField(
        max_length=6, choices=SourceAddress.choices, default=SourceAddress.DOMAIN
    )
    source_address_ipv6 = models.CharField(
        max_length=6, choices=SourceAddress.choices, default=SourceAddress.DOMAIN
    )
    chosen_source_ipv4 = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True)
    chosen_source_ipv6 = models.GenericIPAddressField(protocol="IPv6", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "technical settings"
