"""The table of rules, and what most of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Model

from accounts import permissions
from accounts.errors import NotPermitted
from accounts.models import User
from accounts.permissions import Verb
from administration.errors import CannotUndo, MovedOn
from domains.models import Domain
from events import audit
from events.models import AuditEntry

# Takes the change back by the service that made it, after asking whether `by` may (None: the
# server's own operator). False: all is as it was before already. Raises Refused.
Rule = Callable[[AuditEntry, User | None], bool]

RULES: dict[tuple[str, str], Rule] = {}

# Why a change that looks as if it could be undone has no way back.
NO_WAY_BACK = {
    ("domains.domain", "created domain"): (
        "a new domain may have mail already: delete it instead, which asks for its name"
    ),
    ("domains.domain", "withdrew claim of domain alias"): "add the name again",
    ("domains.domain", "gave up claim of domain alias"): "add the name again",
    ("domains.domain", "purged domain"): "it was removed for good",
    ("accounts.user", "purged user"): "it was removed for good",
    ("accounts.user", "set password"): (
        "passwords are not kept, so the old one cannot be set again: set a new one"
    ),
    ("accounts.user", "unlinked identity"): "only who has the identity can link it again",
    ("accounts.user", "removed app password"): (
        "app passwords are not kept, so it cannot be made valid again: add a new one"
    ),
    ("spool.spoolchange", "undid a change in the spool"): "do what was undone once more instead",
    ("spool.lostrecord", "deleted what a crash had left"): "its bytes are gone",
    ("spool.lostrecord", "put what a crash had left into the spool"): (
        "what has been delivered stays so: delete in the spool what has not"
    ),
    ("retrieval.retrievalaccount", "removed retrieval account"): (
        "its password is not kept, so it cannot log in again: add it anew"
    ),
    ("retrieval.retrievalaccount", "fetched from retrieval account now"): (
        "what was fetched is in the mailbox: delete there what should not be"
    ),
    **{
        ("mailinglists.mailinglist", verb): why
        for verb, why in (
            ("deleted mailing list", "its subscribers are gone: make it anew"),
            ("removed subscribers", "how each got posts is not kept: add them again"),
            ("unsubscribed", "only who left can subscribe again"),
            ("confirmed subscriber", "remove the subscriber instead"),
            ("viewed held post", "who has seen it has seen it"),
            ("exported subscribers", "who has the file has it"),
            ("approved post", "it goes out already"),
            ("refused post", "it is not kept: let its author send it again"),
        )
    },
    ("operations.blacklistentry", "removed imported blacklist entries"): "import the file again",
    ("operations.whitelistentry", "removed imported whitelist entries"): "import the file again",
    ("domains.domain", "retired signing key"): (
        "the private key is erased: generate new keys, and add their records"
    ),
    ("domains.domain", "took signing key into use"): (
        "the keys before it are erased: generate new ones if these shall not be used"
    ),
}


def undoes(model: str, *verbs: str) -> Callable[[Rule], Rule]:
    """`@undoes("accounts.user", "changed user")`."""

    def register(rule: Rule) -> Rule:
        RULES.update({(model, verb): rule for verb in verbs})
        return rule

    return register


def rule_for(entry: AuditEntry) -> Rule:
    """Raises CannotUndo, with the reason."""
    key = (entry.object_type, entry.verb)
    if key in RULES:
        return RULES[key]
    raise CannotUndo(NO_WAY_BACK.get(key, "this has no way back"))


def require(by: User | None, verb: Verb, domain: Domain | None = None) -> None:
    """Raises NotPermitted, FeatureOff."""
    if by is None:
        return
    if verb == Verb.MANAGE_SERVER and verb not in permissions.VERBS[by.role]:
        raise NotPermitted(verb)
    permissions.require(by, verb, domain)


def old_values(entry: AuditEntry, row: Model) -> dict[str, Any]:
    """What must be set on `row` to be as before; empty if it is. Raises MovedOn, CannotUndo."""
    return earlier(entry, {name: audit.plain(getattr(row, name)) for name in entry.changes})


def earlier(entry: AuditEntry, current: Mapping[str, Any]) -> dict[str, Any]:
    """The same for values that are found otherwise; those that the entry lacks do not matter."""
    values = {}
    for name, (old, new) in entry.changes.items():
        if audit.MASK in (old, new) or name in audit.SECRETS:
            raise CannotUndo(f"the old {_words(name)} is not kept")
        found = current[name]
        if found == old:
            continue
        if found != new:
            raise MovedOn(_words(name), _show(new), _show(found))
        values[name] = old
    return values


def kept(entry: AuditEntry) -> dict[str, Any]:
    """What a deletion wrote down of the row, but secrets. Raises CannotUndo for old entries."""
    values = {name: old for name, (old, _) in entry.changes.items() if name not in audit.SECRETS}
    if not values:
        raise CannotUndo("what it was set to is not on record")
    return values


def _words(name: str) -> str:
    return name.replace("_", " ")


def _show(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return str(value)
