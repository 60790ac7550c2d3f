"""Which message goes first: the rules of the Priority tab (P-001…P-030). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LOWEST, STANDARD, HIGHEST = 1, 5, 10
KILOBYTE = 1024


class PriorityRules(Protocol):
    """The Priority tab of the domain that caused the message."""

    @property
    def standard(self) -> int: ...
    @property
    def standard_enabled(self) -> bool: ...
    @property
    def mailing_lists(self) -> int: ...
    @property
    def mailing_lists_enabled(self) -> bool: ...
    @property
    def over_size(self) -> int: ...
    @property
    def over_size_enabled(self) -> bool: ...
    @property
    def over_size_threshold_kb(self) -> int: ...
    @property
    def auto_responders(self) -> int: ...
    @property
    def auto_responders_enabled(self) -> bool: ...
    @property
    def bounces(self) -> int: ...
    @property
    def bounces_enabled(self) -> bool: ...
    @property
    def email_reports(self) -> int: ...
    @property
    def email_reports_enabled(self) -> bool: ...
    @property
    def event_emails(self) -> int: ...
    @property
    def event_emails_enabled(self) -> bool: ...
    @property
    def attempt_x(self) -> int: ...
    @property
    def attempt_x_enabled(self) -> bool: ...
    @property
    def attempt_x_threshold(self) -> int: ...
    @property
    def attempt_y(self) -> int: ...
    @property
    def attempt_y_enabled(self) -> bool: ...
    @property
    def attempt_y_threshold(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Priority:
    """A value from 1 to 10, and the rule that set it: its name on the Priority tab."""

    value: int
    rule: str


# Kind of message (spool.models.Kind) -> the rule for it.
KIND_RULES = {
    "list": "mailing_lists",
    "autoresponder": "auto_responders",
    "bounce": "bounces",
    "report": "email_reports",
    "event": "event_emails",
}


def decide(
    *,
    kind: str,
    size_bytes: int,
    failures: int,
    rules: PriorityRules | None,
    manual: int | None = None,
) -> Priority:
    """The first rule that applies, in the order of P-004; `rules` None: no domain of ours."""
    if manual is not None:
        return Priority(manual, "manual")
    if rules is None:
        return Priority(STANDARD, "default")
    by_attempts = _by_attempts(failures, rules)
    if by_attempts is not None:
        return by_attempts
    name = KIND_RULES.get(kind)
    if name is not None and getattr(rules, f"{name}_enabled"):
        return Priority(getattr(rules, name), name)
    if rules.over_size_enabled and size_bytes > rules.over_size_threshold_kb * KILOBYTE:
        return Priority(rules.over_size, "over_size")
    if rules.standard_enabled:
        return Priority(rules.standard, "standard")
    return Priority(STANDARD, "default")


def _by_attempts(failures: int, rules: PriorityRules) -> Priority | None:
    """P-028: of the rules reached, the one with the higher threshold wins; Y where they tie."""
    reached: list[tuple[int, int, Priority]] = []
    if rules.attempt_x_enabled and failures >= rules.attempt_x_threshold:
        reached.append((rules.attempt_x_threshold, 0, Priority(rules.attempt_x, "attempt_x")))
    if rules.attempt_y_enabled and failures >= rules.attempt_y_threshold:
        reached.append((rules.attempt_y_threshold, 1, Priority(rules.attempt_y, "attempt_y")))
    return max(reached, key=lambda rule: rule[:2])[2] if reached else None
