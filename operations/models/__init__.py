"""What the operator watches and switches, one file for each matter."""

from operations.models.abuse import (
    AbuseCount,
    AbuseRule,
    Action,
    BlacklistEntry,
    Block,
    Kind,
    LoginTurn,
    WhitelistEntry,
)
from operations.models.activity import ActivityHour
from operations.models.addresses import LostAddress
from operations.models.connections import Connection, Process
from operations.models.listeners import (
    ListenerSettings,
    RelayNetwork,
    RelayService,
    ResolverSettings,
    usual_services,
)
from operations.models.logs import LogSettings, Transcript
from operations.models.services import ActualState, Service, ServiceReport, ServiceState

__all__ = [
    "AbuseCount",
    "AbuseRule",
    "Action",
    "ActivityHour",
    "ActualState",
    "BlacklistEntry",
    "Block",
    "Connection",
    "Kind",
    "ListenerSettings",
    "LogSettings",
    "LoginTurn",
    "LostAddress",
    "Process",
    "RelayNetwork",
    "RelayService",
    "ResolverSettings",
    "Service",
    "ServiceReport",
    "ServiceState",
    "Transcript",
    "WhitelistEntry",
    "usual_services",
]
