"""What the services of accounts refuse, as facts with fields; doors put them into words."""

from __future__ import annotations

from dataclasses import dataclass

from domains.errors import Refused


class WrongCredentials(Refused):
    """Name, password, status or access is wrong; nobody outside learns which (N-011)."""

    def __str__(self) -> str:
        return "wrong name or password"


@dataclass(eq=False)
class LocalPartTaken(Refused):
    """A user, an alias, a list or the command address of the domain has it (U-011)."""

    local_part: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.local_part} is taken" + (f" by a {self.kind}" if self.kind else "")


@dataclass(eq=False)
class PasswordRefused(Refused):
    """The password breaks the policy (U-014)."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"the password {' and '.join(self.reasons)}"


@dataclass(eq=False)
class HashNotUnderstood(Refused):
    """The text is no password hash of a kind that can be checked here."""

    reason: str

    def __str__(self) -> str:
        return f"the password hash cannot be used: {self.reason}"


@dataclass(eq=False)
class LastAdministrator(Refused):
    """The domain would be left without an enabled administrator (D-040)."""

    address: str

    def __str__(self) -> str:
        return f"{self.address} is the last enabled administrator of the domain"


@dataclass(eq=False)
class TargetUnknown(Refused):
    """The target of an alias would be an address of the same domain that leads nowhere."""

    target: str

    def __str__(self) -> str:
        return f"the target {self.target} leads nowhere"


@dataclass(eq=False)
class TargetMalformed(Refused):
    """The target of an alias is no address."""

    target: str
    reason: str

    def __str__(self) -> str:
        return f"the target {self.target!r} cannot be used: {self.reason}"


@dataclass(eq=False)
class ForwardingRefused(Refused):
    """Mail may not be forwarded to these addresses automatically (G-046)."""

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"mail may not be forwarded to {', '.join(self.addresses)}"


@dataclass(eq=False)
class AliasLoops(Refused):
    """Following the alias would come back to it (U-030)."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"the alias would loop: {' -> '.join(self.path)}"


@dataclass(eq=False)
class UserUnknown(Refused):
    """There is no such user, or not for this actor."""

    address: str

    def __str__(self) -> str:
        return f"there is no user {self.address}"


@dataclass(eq=False)
class AliasUnknown(Refused):
    """There is no such alias, or not for this actor."""

    address: str

    def __str__(self) -> str:
        return f"there is no alias {self.address}"


@dataclass(eq=False)
class PlanUnknown(Refused):
    """There is no such plan, or not for this actor."""

    plan_id: int

    def __str__(self) -> str:
        return f"there is no plan {self.plan_id}"


@dataclass(eq=False)
class NotPermitted(Refused):
    """The actor's role does not have the verb."""

    verb: str

    def __str__(self) -> str:
        return f"not permitted: {self.verb.replace('_', ' ')}"


@dataclass(eq=False)
class FeatureOff(Refused):
    """The feature is switched off for the domain, or withheld by the plan (D-060, X-011)."""

    feature: str

    def __str__(self) -> str:
        return f"the feature {self.feature.replace('_', ' ')} is off"


@dataclass(eq=False)
class StillOwner(Refused):
    """The reseller has domains, which must go to somebody else first."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} still has domains"


class ReasonMissing(Refused):
    """Nobody logs in as another without saying why; the provider set it so (U-060)."""

    def __str__(self) -> str:
        return "a reason is needed"


class ImpersonationOver(Refused):
    """It ended, its time ran out, or it never was; outside nobody learns which (U-060)."""

    def __str__(self) -> str:
        return "the impersonation is over"


class CodeRefused(Refused):
    """The code is of no app of the user, was used before, or is too old (U-015)."""

    def __str__(self) -> str:
        return "the code is wrong"


@dataclass(eq=False)
class TooManyTries(Refused):
    """Wrong codes in a row make the user wait."""

    seconds: int

    def __str__(self) -> str:
        return f"too many wrong codes; wait {self.seconds} seconds"


class ProviderFailed(Refused):
    """The log-in provider does not answer as it should; the reason is in the log."""

    def __str__(self) -> str:
        return "the log-in provider does not answer as it should"


class IdentityUnknown(Refused):
    """Nobody here is who the provider says, or he may not come in; nobody is told which."""

    def __str__(self) -> str:
        return "nobody here is known by this identity"


@dataclass(eq=False)
class IdentityTaken(Refused):
    """It belongs to another user, or the user has another one of the same provider."""

    issuer: str

    def __str__(self) -> str:
        return f"this identity of {self.issuer} is linked with another account"
