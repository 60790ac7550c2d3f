"""The spool's settings as the hot path reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from blobs import areas
from domains.directory import Memory
from domains.models import Domain
from operations import services
from operations.models import Service
from spool.holds import HoldPolicy
from spool.models import HoldRule, SpoolSettings
from spool.schedule import RetryPolicy, make_policy


@dataclass(frozen=True, slots=True)
class SpoolPolicy:
    maximum_local_deliveries: int
    maximum_remote_deliveries: int
    connections_per_destination: int
    recipients_per_transaction: int
    oldest_share_percent: int
    subspools: int
    retries: RetryPolicy
    delivery_delay: timedelta
    maximum_hops: int
    free_space_floor_bytes: int
    free_space_floor_percent: int
    double_bounces: str
    postmaster: str  # empty: nobody
    trace_retention: timedelta
    ledger_retention: timedelta
    delivers: bool  # the Spool service is to run on this machine (M-017)
    hold_rules: tuple[HoldPolicy, ...]  # applied to mail as it is accepted
    quarantine: timedelta  # how long what is put in quarantine now stays there
    quarantines_spam: bool  # what is handed in marked as spam


_memory: Memory[int, SpoolPolicy] = Memory(limit=1)


def current(*, cached_only: bool = False) -> SpoolPolicy:
    return _memory.ask(1, _read, cached_only=cached_only)


def forget() -> None:
    """Called for each note on Topic.SETTINGS."""
    _memory.clear()


def _read(key: int) -> SpoolPolicy:
    row = SpoolSettings.objects.filter(pk=key).first() or SpoolSettings(pk=key)
    areas.spread_spool(row.subspools)
    return SpoolPolicy(
        maximum_local_deliveries=row.maximum_local_deliveries,
        maximum_remote_deliveries=row.maximum_remote_deliveries,
        connections_per_destination=row.connections_per_destination,
        recipients_per_transaction=row.recipients_per_transaction,
        oldest_share_percent=row.oldest_share_percent,
        subspools=row.subspools,
        retries=retry_policy(row),
        delivery_delay=timedelta(seconds=row.delivery_delay_seconds),
        maximum_hops=row.maximum_hops,
        free_space_floor_bytes=row.free_space_floor_mb * 1024 * 1024,
        free_space_floor_percent=row.free_space_floor_percent,
        double_bounces=row.double_bounces,
        postmaster=row.postmaster or _first_postmaster(),
        trace_retention=timedelta(days=row.trace_retention_days),
        ledger_retention=timedelta(days=row.ledger_retention_days),
        delivers=services.is_wanted(Service.SPOOL),
        hold_rules=tuple(map(hold_policy, HoldRule.objects.order_by("pk"))),
        quarantine=timedelta(days=row.quarantine_days),
        quarantines_spam=row.quarantines_spam,
    )


def retry_policy(row: SpoolSettings) -> RetryPolicy:
    return make_policy(
        retry_minutes=row.retry_minutes,
        patience_days=row.patience_days,
        null_sender_patience_days=row.null_sender_patience_days,
        delay_notice_hours=row.delay_notice_hours,
    )


def hold_policy(rule: HoldRule) -> HoldPolicy:
    return HoldPolicy(
        rule_id=rule.pk,
        sender=rule.sender,
        recipient=rule.recipient,
        destination=rule.destination,
        domain_id=rule.domain_id,
        reason=rule.reason,
        until=rule.until,
        quarantines=rule.quarantines,
    )


def _first_postmaster() -> str:
    """RFC 5321 §4.5.1 wants `<postmaster>` to reach somebody, also before anybody chose whom."""
    name = Domain.objects.order_by("pk").values_list("name", flat=True).first()
    return f"postmaster@{name}" if name else ""
