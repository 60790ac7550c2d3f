"""Many users at once: what would happen to each line of a file, and doing it (U-024)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from accounts import editing, passwords, permissions, secrets, selectors, services
from accounts.errors import PasswordRefused
from accounts.models import LocalPart, Role, User
from accounts.permissions import Verb
from accounts.services import NewUser
from accounts.usercsv import Line
from domains import selectors as domain_selectors
from domains.errors import Refused, ValuesRefused
from domains.localparts import LocalPartMalformed, read_local_part
from domains.models import Domain

PURPOSE = "user import"
# Local parts in one statement: databases bound how many values one may have.
BATCH = 500
MOST_REFUSED_KEPT = 200


class Existing(StrEnum):
    """What becomes of users who are there already."""

    LEAVE = "leave"
    CHANGE = "change"


class Fate(StrEnum):
    """What a line would do."""

    ADD = "add"
    CHANGE = "change"
    LEAVE = "leave"
    REFUSED = "refused"


@dataclass(slots=True)
class Examined:
    line: Line
    fate: Fate


@dataclass(slots=True)
class Preview:
    """`room`: how many users the domain may still get; None: no limit."""

    examined: list[Examined]
    room: int | None

    def count(self, fate: Fate) -> int:
        return sum(one.fate == fate for one in self.examined)

    @property
    def lines(self) -> list[Line]:
        """Those that change something."""
        return [one.line for one in self.examined if one.fate in (Fate.ADD, Fate.CHANGE)]


@dataclass(slots=True)
class Outcome:
    """`refused`: line number, user name and reason; `next_line`: where to go on."""

    added: int = 0
    changed: int = 0
    left: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    next_line: int = 0


def examine(
    *, domain: Domain, lines: Sequence[Line], existing: Existing, by: User | None
) -> Preview:
    """What importing would do; nothing is changed. Adds to `line.problems` what is wrong."""
    names = set(domain_selectors.names_of(domain))
    for line in lines:
        _read_username(line, names)
    taken = _taken(domain, [line.username for line in lines])
    seen: dict[str, int] = {}
    found = []
    for line in lines:
        if line.username in seen:
            line.problems.append(f"The user name stands in line {seen[line.username]} already.")
        seen.setdefault(line.username, line.number)
        found.append(Examined(line, _fate(line, taken.get(line.username), existing)))
        if found[-1].fate in (Fate.ADD, Fate.CHANGE):
            _check(line, domain, by)
        if line.problems:
            found[-1].fate = Fate.REFUSED
    users = next(one for one in selectors.in_use(domain) if one.limit == "users")
    room = max(0, users.allowed - users.used) if users.allowed is not None else None
    return Preview(found, room)


def run(
    *,
    domain: Domain,
    lines: Sequence[Line],
    existing: Existing,
    by: User | None,
    outcome: Outcome | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Import line by line, from `outcome.next_line` on; a refusal does not stop the rest.

    A line that was done before an interruption finds its user there. Deriving what is kept of a
    password takes about 50 ms.
    """
    outcome = outcome or Outcome()
    for number in range(outcome.next_line, len(lines)):
        line = lines[number]
        try:
            _import(domain, line, existing, by, outcome)
        except Refused as error:
            if len(outcome.refused) < MOST_REFUSED_KEPT:
                outcome.refused.append((line.number, line.username, str(error)))
        outcome.next_line = number + 1
        tell(outcome)
    return outcome


def seal(lines: Sequence[Line]) -> str:
    """The lines as text that can be stored: it has passwords, so it is encrypted."""
    content = json.dumps([asdict(line) for line in lines]).encode()
    return base64.b64encode(secrets.encrypt(PURPOSE, content)).decode()


def unseal(text: str) -> list[Line]:
    """Raises secrets.Undecipherable."""
    content = secrets.decrypt(PURPOSE, base64.b64decode(text))
    return [Line(**fields) for fields in json.loads(content)]


def _read_username(line: Line, names: set[str]) -> None:
    """A whole address is as good as a name, if it is one of the domain."""
    local_part, at, domain_name = line.username.rpartition("@")
    if at and domain_name not in names:
        line.problems.append(f"{domain_name} is not this domain.")
        return
    try:
        line.username = read_local_part(local_part if at else line.username)
    except LocalPartMalformed as error:
        line.problems.append(f"The user name cannot be used: {error.reason}.")


def _taken(domain: Domain, names: Sequence[str]) -> dict[str, LocalPart]:
    found: dict[str, LocalPart] = {}
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        rows = LocalPart.objects.filter(domain=domain, local_part__in=batch)
        found.update((row.local_part, row) for row in rows)
    return found


def _fate(line: Line, taken: LocalPart | None, existing: Existing) -> Fate:
    if line.problems:
        return Fate.REFUSED
    if taken is None:
        return Fate.ADD
    if taken.kind != LocalPart.Kind.USER:
        kind = str(taken.get_kind_display()).lower()
        line.problems.append(f"The user name is taken by a {kind}.")
        return Fate.REFUSED
    return Fate.CHANGE if existing == Existing.CHANGE else Fate.LEAVE


def _check(line: Line, domain: Domain, by: User | None) -> None:
    try:
        services.check(line.values)
        _require_allowed(line, domain, by)
        if line.password:
            passwords.require_strong(line.password, names={"user name": line.username})
    except ValuesRefused as error:
        line.problems += [f"{one.field}: {one.reason}." for one in error.problems]
    except PasswordRefused as error:
        line.problems.append(f"The password {' and '.join(error.reasons)}.")
    except Refused as error:
        line.problems.append(f"{str(error).capitalize()}.")


def _require_allowed(line: Line, domain: Domain, by: User | None) -> None:
    """Raises NotPermitted, FeatureOff: the same leave as for one user's page."""
    if by is None:
        return
    verbs = set(services.verbs_to_change(line.values))
    if line.is_administrator is not None:
        verbs.add(Verb.CHANGE_ADMINISTRATORS)
    for verb in sorted(verbs):
        permissions.require(by, verb, domain)


def _import(
    domain: Domain, line: Line, existing: Existing, by: User | None, outcome: Outcome
) -> None:
    _require_allowed(line, domain, by)
    user = User.objects.filter(domain=domain, local_part=line.username).first()
    if user is None:
        services.add_users(domain=domain, users=[_new(line)], by=by)
        outcome.added += 1
    elif existing == Existing.CHANGE:
        _change(user, line, by)
        outcome.changed += 1
    else:
        outcome.left += 1


def _new(line: Line) -> NewUser:
    password = line.password
    return NewUser(
        username=line.username,
        verifiers=services.new_verifiers(password, line.username) if password else None,
        is_administrator=bool(line.is_administrator),
        values=line.values,
    )


def _change(user: User, line: Line, by: User | None) -> None:
    wanted: Any = line.is_administrator
    is_same = wanted is None or wanted == (user.role == Role.DOMAIN_ADMINISTRATOR)
    editing.edit_user(
        user=user,
        values=line.values,
        verifiers=services.new_verifiers(line.password, line.username) if line.password else None,
        is_administrator=None if is_same else wanted,
        by=by,
    )
