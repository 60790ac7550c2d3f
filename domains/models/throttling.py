"""The Throttling tab: what the domain may send in an hour (T-003…T-008)."""

from __future__ import annotations

from domains.models.tab import Tab, ceiling, switch


class DomainThrottling(Tab):
    outgoing_messages_per_hour = ceiling(5_000, "Remote recipients an hour.")
    outgoing_messages_per_hour_enabled = switch(False, "Off: not limited.")
    outgoing_bandwidth_mb_per_hour = ceiling(100, "Megabytes sent an hour.")
    outgoing_bandwidth_mb_per_hour_enabled = switch(False, "Off: not limited.")
    bounces_received_per_hour = ceiling(1_000, "Non-delivery reports received an hour.")
    bounces_received_per_hour_enabled = switch(False, "Off: not limited.")

    class Meta:
        verbose_name = verbose_name_plural = "throttling"
