"""The spool's tables: messages on their way, the trace, the ledger, gateways."""

from spool.models.gateway import (
    Encryption,
    Gateway,
    GatewayDestination,
    GatewayHour,
    GatewayState,
    RelayDomain,
)
from spool.models.message import (
    DeliveryAttempt,
    Kind,
    LedgerHour,
    Origin,
    RefusedMail,
    Route,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)
from spool.models.settings import DoubleBounce, SpoolSettings
from spool.models.throttle import ThrottleCrossing, ThrottleHour

__all__ = [
    "DeliveryAttempt",
    "DoubleBounce",
    "Encryption",
    "Gateway",
    "GatewayDestination",
    "GatewayHour",
    "GatewayState",
    "Kind",
    "LedgerHour",
    "Origin",
    "RefusedMail",
    "RelayDomain",
    "Route",
    "SpoolSettings",
    "SpooledMessage",
    "SpooledRecipient",
    "State",
    "ThrottleCrossing",
    "ThrottleHour",
    "TraceEntry",
]
