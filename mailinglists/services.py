"""The verbs on lists: create, change, delete; who moderates, and who may post (L-001…L-011)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import aliases, caps, localparts, permissions
from accounts.models import Plan, User
from accounts.settings import CAPS
from blobs.contention import tried_again
from clock.moments import utc_now
from domains import selectors as domain_selectors
from domains.errors import ChangedMeanwhile, Problem, ServerFull, ValuesRefused
from domains.limits import require_room
from domains.localparts import read_local_part
from domains.models import Domain, DomainLimits
from domains.values import replace
from events import audit
from events.audit import Actor
from events.occurrences import EventType, emit
from mailinglists import addresses, closing, texts
from mailinglists.errors import ListUnknown, ModeratorUnknown, PatternMalformed
from mailinglists.models import MailingList, Moderator, PosterRule
from protocols.address import Address, MalformedAddress, fold, parse_domain
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Values = Mapping[str, Any]

PLAIN_FIELDS = (
    "description", "posting", "is_moderated", "maximum_post_kb", "replies_to", "subject_prefix",
    "is_public", "takes_subscriptions", "shows_subscribers", "digest_hours", "digest_messages",
    "digest_kb", "bounce_limit", "bounce_days", "removal_days", "throttle_enabled",
    "throttle_messages", "throttle_mb",
)  # fmt: skip
FIELDS = (*PLAIN_FIELDS, *texts.FIELDS)
# U-005, L-011: what those who run a list may set; the rest is for administrators.
MODERATORS_FIELDS = frozenset({*texts.FIELDS, "is_moderated", "description", "subject_prefix"})
PASSWORD_CHARACTERS = 64
MOST_RULES = 1000


@tried_again
@transaction.atomic
def create_list(
    *,
    domain: Domain,
    local_part: str,
    by: Actor | None,
    values: Values | None = None,
    post_password: str = "",
    moderators: Sequence[str] = (),
    poster_rules: Sequence[tuple[str, str]] = (),
    needs_feature: bool = True,
) -> MailingList:
    """A list of the domain; `moderators` are user names of it, rules as `set_poster_rules` has.

    `needs_feature` False: what comes back as it was may be there although it is out of use (D-070).
    Raises LocalPartMalformed, LocalPartTaken, LimitReached, ServerFull, FeatureOff, ValuesRefused,
    ModeratorUnknown, PatternMalformed.
    """
    name = _read_name(local_part)
    hashed = _hash(post_password)
    domain, reseller, plan = caps.lock_with_plan(domain)
    if needs_feature:
        permissions.require_feature(domain, "mailing_lists")
    require_lists(domain, reseller, plan, adding=1)
    row = MailingList(domain=domain, local_part=name, created_at=utc_now(), post_password=hashed)
    changes = _set(row, values or {})
    localparts.require_free(domain, addresses.local_parts(name))
    row.save(force_insert=True)
    owners = dict.fromkeys(addresses.local_parts(name), row.pk)
    localparts.take(domain, localparts.Kind.LIST, owners)
    if hashed:
        changes["post_password"] = ("", hashed)
    if moderators:
        changes["moderators"] = (None, _replace_moderators(row, moderators))
    if poster_rules:
        changes["poster_rules"] = (None, _replace_rules(row, poster_rules))
    audit.record(by, "created mailing list", row, changes)
    _emit(EventType.MAILING_LIST_ADDED, row, by)
    _publish(row)
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)
    return row


@tried_again
@transaction.atomic
def change_list(
    *,
    mailing_list: MailingList,
    values: Values,
    by: Actor | None,
    post_password: str | None = None,
    moderators: Sequence[str] | None = None,
    poster_rules: Sequence[tuple[str, str]] | None = None,
    expected_version: int | None = None,
) -> MailingList:
    """Set what is given, all or nothing; None: it stays. An empty password: none is asked for.

    Raises ListUnknown, ChangedMeanwhile, ValuesRefused, ModeratorUnknown, PatternMalformed.
    """
    hashed = None if post_password is None else _hash(post_password)
    row = locked(mailing_list)
    if expected_version is not None and row.version != expected_version:
        raise ChangedMeanwhile(expected_version, row.version)
    changes = _set(row, values)
    if hashed is not None and (hashed or row.post_password):
        changes["post_password"] = (row.post_password, hashed)
        row.post_password = hashed
    if moderators is not None:
        old = moderator_names(row)
        if (new := _replace_moderators(row, moderators)) != old:
            changes["moderators"] = (old, new)
    if poster_rules is not None:
        before = rules_of(row)
        if (after := _replace_rules(row, poster_rules)) != before:
            changes["poster_rules"] = (before, after)
    if changes:
        row.version += 1
        row.save()
        audit.record(by, "changed mailing list", row, changes)
        _publish(row)
    return row


def set_moderators(
    *, mailing_list: MailingList, usernames: Sequence[str], by: Actor | None
) -> MailingList:
    """Who runs the list: users of its domain (U-005). Raises ListUnknown, ModeratorUnknown."""
    return change_list(mailing_list=mailing_list, values={}, moderators=usernames, by=by)


def set_poster_rules(
    *, mailing_list: MailingList, rules: Sequence[tuple[str, str]], by: Actor | None
) -> MailingList:
    """Pairs of an address or @domain, and `allow` or `ban`. Raises ListUnknown, PatternMalformed,
    ValuesRefused."""
    return change_list(mailing_list=mailing_list, values={}, poster_rules=rules, by=by)


@tried_again
@transaction.atomic
def delete_list(*, mailing_list: MailingList, by: Actor | None) -> None:
    """Mail to it is unknown from now on, and no alias leads to it any more.

    What the spool has of its posts already still goes out.
    """
    row = locked(mailing_list)
    domain = row.domain
    kept: dict[str, tuple[Any, Any]] = {name: (getattr(row, name), None) for name in FIELDS}
    kept["moderators"] = (moderator_names(row), None)
    kept["subscribers"] = (row.subscribers.count(), None)
    audit.record(by, "deleted mailing list", row, kept)
    _emit(EventType.MAILING_LIST_DELETED, row, by)
    closing.give_up_lists([row.pk])
    localparts.free(localparts.Kind.LIST, [row.pk])
    aliases.drop_targets(domain, addresses.local_parts(row.local_part), accounts=[], by=by)
    _publish(row)
    row.delete()
    publish_on_commit(Topic.DOMAIN, domain.pk, durable=True)


def locked(mailing_list: MailingList) -> MailingList:
    """The row, locked behind its domain's. Raises ListUnknown."""
    domain_selectors.locked(mailing_list.domain_id)
    rows = MailingList.objects.select_related("domain").select_for_update(of=("self",))
    row = rows.filter(pk=mailing_list.pk).first()
    if row is None:
        raise ListUnknown(str(mailing_list))
    return row


def require_lists(domain: Domain, reseller: User | None, plan: Plan | None, *, adding: int) -> None:
    """Room under every ceiling that there is (D-087, X-011). Raises LimitReached, ServerFull."""
    used = MailingList.objects.filter(domain=domain).count()
    ceiling = DomainLimits.objects.get(domain=domain).mailing_lists
    require_room("mailing_lists", ceiling, used=used, adding=adding)
    if plan is not None and plan.mailing_lists:
        everywhere = MailingList.objects.filter(domain__ownership__reseller=reseller).count()
        require_room("mailing_lists", plan.mailing_lists, used=everywhere, adding=adding)
    most = CAPS.load().mailing_lists
    if most and MailingList.objects.count() + adding > most:
        raise ServerFull("mailing_lists")


def moderator_names(mailing_list: MailingList) -> list[str]:
    """Their user names, sorted."""
    rows = Moderator.objects.filter(mailing_list=mailing_list, user__recycled=None)
    return sorted(rows.values_list("user__local_part", flat=True))


def rules_of(mailing_list: MailingList) -> list[str]:
    """As the audit trail says them: "ban @example.org", sorted."""
    return sorted(map(str, PosterRule.objects.filter(mailing_list=mailing_list)))


def _read_name(local_part: str) -> str:
    """Raises LocalPartMalformed, ValuesRefused."""
    name = read_local_part(local_part)
    if len(name.encode()) > addresses.LONGEST_NAME_BYTES:
        reason = f"must not be longer than {addresses.LONGEST_NAME_BYTES} octets"
        raise ValuesRefused((Problem("local_part", reason),))
    if "+" in name:
        raise ValuesRefused((Problem("local_part", "must not have a plus sign"),))
    return name


def _set(row: MailingList, values: Values) -> dict[str, tuple[Any, Any]]:
    """Raises ValuesRefused with every problem."""
    problems: list[Problem] = []
    cleaned: dict[str, str] = {}
    for name in texts.FIELDS:
        if name in values:
            text = texts.read(name, values[name])
            if isinstance(text, Problem):
                problems.append(text)
            else:
                cleaned[name] = text
    plain = {name: value for name, value in values.items() if name not in texts.FIELDS}
    try:
        changes = replace(row, plain, fields=PLAIN_FIELDS)
    except ValuesRefused as error:
        raise ValuesRefused((*error.problems, *problems)) from None
    if problems:
        raise ValuesRefused(tuple(problems))
    for name, text in cleaned.items():
        if (old := getattr(row, name)) != text:
            changes[name] = (old, text)
            setattr(row, name, text)
    return changes


def _hash(password: str) -> str:
    """Slow, so before the transaction. Raises ValuesRefused."""
    if not password:
        return ""
    if len(password) > PASSWORD_CHARACTERS or not password.isprintable() or ":" in password:
        reason = f"must have 1 to {PASSWORD_CHARACTERS} visible characters and no colon"
        raise ValuesRefused((Problem("post_password", reason),))
    return make_password(password)


def _replace_moderators(row: MailingList, usernames: Sequence[str]) -> list[str]:
    wanted = {fold(name.partition("@")[0]) for name in usernames}
    found = User.objects.filter(domain=row.domain, local_part__in=wanted)
    users = {user.local_part: user for user in found}
    if missing := sorted(wanted - users.keys()):
        raise ModeratorUnknown(missing[0])
    Moderator.objects.filter(mailing_list=row).delete()
    Moderator.objects.bulk_create(
        Moderator(mailing_list=row, user=user) for _, user in sorted(users.items())
    )
    return sorted(users)


def _replace_rules(row: MailingList, rules: Sequence[tuple[str, str]]) -> list[str]:
    if len(rules) > MOST_RULES:
        raise ValuesRefused((Problem("poster_rules", f"must not be more than {MOST_RULES}"),))
    wanted: dict[str, str] = {}
    for pattern, kind in rules:
        if kind not in PosterRule.Kind.values:
            raise ValuesRefused((Problem("poster_rules", "must say allow or ban"),))
        wanted[read_pattern(pattern)] = str(kind)
    PosterRule.objects.filter(mailing_list=row).delete()
    PosterRule.objects.bulk_create(
        PosterRule(mailing_list=row, pattern=pattern, kind=kind)
        for pattern, kind in sorted(wanted.items())
    )
    return rules_of(row)


def read_pattern(text: str) -> str:
    """The key of an address, or @domain in its normal form. Raises PatternMalformed."""
    text = text.strip()
    try:
        if text.startswith("@"):
            return "@" + parse_domain(text[1:])
        return Address.parse(text).key
    except MalformedAddress:
        raise PatternMalformed(text) from None


def _emit(event: EventType, row: MailingList, by: Actor | None) -> None:
    """E-017, E-018."""
    facts = {
        "list": row.address,
        "moderators": ", ".join(f"{name}@{row.domain.name}" for name in moderator_names(row)),
        "actor": str(by) if by is not None else "",
    }
    emit(event, domain_id=row.domain_id, at=utc_now(), facts=facts)


def _publish(row: MailingList) -> None:
    publish_on_commit(Topic.MAILING_LIST, row.pk, durable=True)
