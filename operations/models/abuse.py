"""Detection rules, the blocks that they make, and the lists of addresses kept by hand."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clock.fields import MomentField


class Kind(models.TextChoices):
    """What a rule counts (M-061…M-065)."""

    CONNECTIONS = "connections", "Too many connections"
    HARVESTING = "harvesting", "Email harvesting"
    GUESSING = "guessing", "Password guessing"
    SPAMMING = "spamming", "Internal spammer"


class Action(models.TextChoices):
    """What follows. The kinds that count addresses always block."""

    BLOCK = "block", "Block the address"
    NOTIFY = "notify", "Notify"
    THROTTLE = "throttle", "Refuse for the block time"
    DISABLE = "disable", "Disable sending until lifted"


class AbuseRule(models.Model):
    """So many of these within the window, and the action follows (M-060)."""

    kind = models.CharField(max_length=12, choices=Kind.choices)
    service = models.CharField(
        max_length=10, blank=True, help_text="smtp, imap, pop or ldap; empty: all together."
    )
    window_seconds = models.PositiveIntegerField()
    threshold = models.PositiveIntegerField(help_text="The last event that is let pass.")
    block_seconds = models.PositiveIntegerField()
    action = models.CharField(max_length=8, choices=Action.choices, default=Action.BLOCK)
    is_enabled = models.BooleanField(default=True)
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "service"], name="rule_of_kind_and_service")
        ]

    def __str__(self) -> str:
        label: str = self.get_kind_display()
        return f"{label} ({self.service})" if self.service else label


class Block(models.Model):
    """A party that is kept out for now (M-050), or a user who may not send (M-065)."""

    network = models.CharField(
        max_length=49, blank=True, help_text="An address, or the /64 of an IPv6 one; or a user's."
    )
    account_id = models.BigIntegerField(null=True, help_text="The user, for an internal spammer.")
    service = models.CharField(max_length=10, blank=True, help_text="Empty: every service.")
    rule = models.ForeignKey(AbuseRule, on_delete=models.SET_NULL, null=True, related_name="blocks")
    kind = models.CharField(
        max_length=12, choices=Kind.choices, blank=True, help_text="Empty: made by hand."
    )
    is_notice = models.BooleanField(default=False, help_text="Nothing is refused for it.")
    note = models.CharField(max_length=200, blank=True)
    since = MomentField()
    until = MomentField(null=True, help_text="None: until somebody lifts it.")
    hits = models.PositiveIntegerField(default=0, help_text="Attempts refused since.")
    told_at = MomentField(
        null=True, help_text="When mail about a user who sends too much was written; None: not yet."
    )

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["network", "service"], condition=Q(account_id=None), name="block_of_network"
            ),
            models.UniqueConstraint(
                fields=["account_id"], condition=Q(account_id__isnull=False), name="block_of_user"
            ),
        ]
        indexes = [
            models.Index(fields=["until"], name="block_until"),
            models.Index(fields=["kind", "since"], name="block_kind"),
        ]

    def __str__(self) -> str:
        return self.network or f"account {self.account_id}"


class AbuseCount(models.Model):
    """Events of one subject in a slice of time, from all processes; kept for the longest window."""

    rule = models.ForeignKey(AbuseRule, on_delete=models.CASCADE, related_name="counts")
    subject = models.CharField(max_length=320, help_text="A network, a login or an account's key.")
    slice = models.BigIntegerField(help_text="Number of the slice: its time in microseconds.")
    events = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "subject", "slice"], name="count_of_slice")
        ]
        indexes = [models.Index(fields=["slice"], name="count_slice")]

    def __str__(self) -> str:
        return f"{self.subject}: {self.events}"


class LoginTurn(models.Model):
    """One try to log in by the web that is looked at from a moment on (M-064)."""

    token_hash = models.CharField(max_length=64, unique=True)
    login = models.CharField(max_length=320, help_text="As it was given, known or not.")
    party = models.CharField(max_length=49, db_index=True, help_text="Who asked for it.")
    due_at = MomentField(db_index=True)

    def __str__(self) -> str:
        return self.login


class ListedNetwork(models.Model):
    """What both lists have in common."""

    network = models.CharField(max_length=49, unique=True, help_text="An address or CIDR network.")
    services = models.JSONField(
        default=list, blank=True, help_text="smtp, imap, pop, ldap, web; none: all of them."
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = MomentField(editable=False)

    class Meta:
        abstract = True
        ordering = ["network"]

    def __str__(self) -> str:
        return self.network


class BlacklistEntry(ListedNetwork):
    """Never let in (M-070)."""

    class Meta(ListedNetwork.Meta):
        verbose_name_plural = "blacklist entries"


class WhitelistEntry(ListedNetwork):
    """Exempt from rules and blacklist (M-071): it wins over both."""

    skips_greylisting = models.BooleanField(
        default=False, help_text="Let in without greylisting, too."
    )

    class Meta(ListedNetwork.Meta):
        verbose_name_plural = "whitelist entries"
