"""Users, aliases and the local parts they take; plans of resellers."""

from accounts.models.alias import CATCH_ALL, AliasTarget, LocalPart, UserAlias
from accounts.models.forwarding import ForwardingBan
from accounts.models.impersonation import Impersonation
from accounts.models.openid import LinkedIdentity, LoginProvider
from accounts.models.plan import CapSettings, DomainOwnership, Plan, ResellerPlan
from accounts.models.recycled import DeletionSettings, Recycled
from accounts.models.secondfactor import (
    Authenticator,
    AuthenticatorKind,
    RecoveryCode,
    SecondFactorFailures,
    WebSession,
)
from accounts.models.settings import ClearTextLogin, LoginSettings
from accounts.models.user import AppPassword, LastActivity, Role, Status, User

__all__ = [
    "CATCH_ALL",
    "AliasTarget",
    "AppPassword",
    "Authenticator",
    "AuthenticatorKind",
    "CapSettings",
    "ClearTextLogin",
    "DeletionSettings",
    "DomainOwnership",
    "ForwardingBan",
    "Impersonation",
    "LastActivity",
    "LinkedIdentity",
    "LocalPart",
    "LoginProvider",
    "LoginSettings",
    "Plan",
    "RecoveryCode",
    "Recycled",
    "ResellerPlan",
    "Role",
    "SecondFactorFailures",
    "Status",
    "User",
    "UserAlias",
    "WebSession",
]
