"""The domain and one model for each tab of its page."""

from domains.models.claims import ClaimedAlias, NameSettings
from domains.models.defaults import DomainDefaults
from domains.models.domain import Domain, DomainAlias, HostedName
from domains.models.eventtypes import DomainEventTypes
from domains.models.features import DomainFeatures
from domains.models.limits import DomainLimits
from domains.models.moving import FolderMove
from domains.models.priority import DomainPriority
from domains.models.renaming import DomainRenaming
from domains.models.sharing import DomainSharing
from domains.models.tab import Tab
from domains.models.technical import DomainTechnical, SourceAddress, SpamExclusion
from domains.models.throttling import DomainThrottling

TABS: dict[str, type[Tab]] = {
    "technical": DomainTechnical,
    "features": DomainFeatures,
    "limits": DomainLimits,
    "sharing": DomainSharing,
    "priority": DomainPriority,
    "throttling": DomainThrottling,
    "event_restrictions": DomainEventTypes,
}

__all__ = [
    "TABS",
    "ClaimedAlias",
    "Domain",
    "DomainAlias",
    "DomainDefaults",
    "DomainEventTypes",
    "DomainFeatures",
    "DomainLimits",
    "DomainPriority",
    "DomainRenaming",
    "DomainSharing",
    "DomainTechnical",
    "DomainThrottling",
    "FolderMove",
    "HostedName",
    "NameSettings",
    "SourceAddress",
    "SpamExclusion",
    "Tab",
]
