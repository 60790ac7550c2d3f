"""The Priority tab: which mail leaves first (P-010…P-030)."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from domains.models.tab import Tab, priority, switch


class DomainPriority(Tab):
    """Priorities count for mail to other servers; 10 leaves first, 1 last (P-001, P-002)."""

    standard = priority("Ordinary mail of users.")
    standard_enabled = switch(False, "Off: 5.")
    mailing_lists = priority("Posts and digests of lists.")
    mailing_lists_enabled = switch(False, "Off: by size, then as standard mail.")
    over_size = priority("Messages larger than the threshold.")
    over_size_enabled = switch(False, "Off: as standard mail.")
    over_size_threshold_kb = models.PositiveIntegerField(
        default=5_000, help_text="The largest size in kilobytes that is not yet over size."
    )
    auto_responders = priority("Automatic replies.")
    auto_responders_enabled = switch(False, "Off: as standard mail.")
    bounces = priority("Non-delivery reports made here.")
    bounces_enabled = switch(False, "Off: as standard mail.")
    email_reports = priority("Reports sent by mail.")
    email_reports_enabled = switch(False, "Off: as standard mail.")
    event_emails = priority("Mail made by event rules and reminders.")
    event_emails_enabled = switch(False, "Off: as standard mail.")
    attempt_x = priority("After the first number of failed attempts.")
    attempt_x_enabled = switch(False, "Off: the rule is ignored.")
    attempt_x_threshold = models.PositiveSmallIntegerField(
        default=3, help_text="Failed attempts.", validators=[MinValueValidator(1)]
    )
    attempt_y = priority("After the second number of failed attempts.")
    attempt_y_enabled = switch(False, "Off: the rule is ignored.")
    attempt_y_threshold = models.PositiveSmallIntegerField(
        default=6, help_text="Failed attempts.", validators=[MinValueValidator(1)]
    )

    class Meta:
        verbose_name = verbose_name_plural = "delivery priorities"
