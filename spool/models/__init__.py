"""The spool's tables: messages on their way, the trace, the ledger, gateways, changes."""

from spool.models.change import HoldRule, SpoolChange, SpoolChangeBatch
from spool.models.gateway import (
    Encryption,
    Gateway,
    GatewayDestination,
    GatewayHour,
    GatewayState,
    RelayDomain,
    SingleDestination,
)
from spool.models.ledger import LedgerDomainTotal, LedgerHour, LedgerTotal
from spool.models.lost import LostRecord, LostState
from spool.models.message import (
    NEVER,
    REMOVED,
    DeliveryAttempt,
    Kind,
    Origin,
    RefusedMail,
    Route,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)
from spool.models.settings import DoubleBounce, SpoolSettings
from spool.models.statistics import (
    DeliveryLoad,
    FlowRate,
    QueueGroup,
    SpoolMinute,
)
from spool.models.throttle import ThrottleCrossing, ThrottleHour

__all__ = [
    "NEVER",
    "REMOVED",
    "DeliveryAttempt",
    "DeliveryLoad",
    "DoubleBounce",
    "Encryption",
    "FlowRate",
    "Gateway",
    "GatewayDestination",
    "GatewayHour",
    "GatewayState",
    "HoldRule",
    "Kind",
    "LedgerDomainTotal",
    "LedgerHour",
    "LedgerTotal",
    "LostRecord",
    "LostState",
    "Origin",
    "QueueGroup",
    "RefusedMail",
    "RelayDomain",
    "Route",
    "SingleDestination",
    "SpoolChange",
    "SpoolChangeBatch",
    "SpoolMinute",
    "SpoolSettings",
    "SpooledMessage",
    "SpooledRecipient",
    "State",
    "ThrottleCrossing",
    "ThrottleHour",
    "TraceEntry",
]
