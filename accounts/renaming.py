"""What people and aliases keep under a domain's name, when it gets another one (D-113).

Users and aliases are of the domain by key, and so are their passwords: only text is to be changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat, Length, Substr

from accounts.models import AliasTarget, Recycled, User, UserAlias
from domains.changes import Followed
from domains.renaming import Naming
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


def follow(naming: Naming) -> Iterator[Followed]:
    """In the transaction that renames."""
    own = {"domain": naming.domain_id}
    yield Followed("addresses of users", User.objects.filter(**own).count())
    yield Followed("addresses of user aliases", UserAlias.objects.filter(**own).count())
    yield Followed("alias targets that name the domain", _follow_targets(naming))
    replies = User.everything.filter(reply_to__iendswith=f"@{naming.old}")
    keys = list(replies.values_list("pk", flat=True))
    yield Followed("reply addresses of users", replace_domain(replies, "reply_to", naming))
    forwarding = replace_in_lists(User.everything.all(), "forward_to", naming)
    yield Followed("users who forward to the domain", len(forwarding))
    for key in {*keys, *forwarding}:
        publish_on_commit(Topic.ACCOUNT, key, durable=True)
    bin_of_domain = Recycled.objects.filter(kind=Recycled.Kind.USER, domain_id=naming.domain_id)
    replace_domain(bin_of_domain.filter(name__endswith=f"@{naming.old}"), "name", naming)


def replace_domain(rows: QuerySet[Any], column: str, naming: Naming) -> int:
    """Addresses in the column end in the new name; `rows` are those that end in the old one."""
    kept = Substr(column, 1, Length(F(column)) - len(naming.old))
    return rows.update(**{column: Concat(kept, Value(naming.new.name))})


def replace_in_lists(rows: QuerySet[Any], column: str, naming: Naming) -> list[int]:
    """The same for a column with a list of addresses; the keys of the rows that had one."""
    ending = f"@{naming.old}"
    text = rows.alias(as_text=Cast(column, TextField())).filter(as_text__icontains=f'{ending}"')
    changed = []
    for row in text.order_by("pk").only("pk", column).iterator():
        addresses = [
            f"{one[: -len(naming.old)]}{naming.new.name}" if one.lower().endswith(ending) else one
            for one in getattr(row, column)
        ]
        rows.filter(pk=row.pk).update(**{column: list(dict.fromkeys(addresses))})
        changed.append(row.pk)
    return changed


def _follow_targets(naming: Naming) -> int:
    """In aliases of all domains: those that lead to an address of this one by its name."""
    targets = AliasTarget.objects.filter(account=None, domain_name=naming.old)
    domains = set(targets.values_list("alias__domain_id", flat=True))
    aliases = set(targets.values_list("alias_id", flat=True))
    count = targets.count()
    same = AliasTarget.objects.filter(
        alias=OuterRef("alias"), local_part=OuterRef("local_part"), domain_name=naming.new.name
    )
    doubles = AliasTarget.objects.filter(account=None, domain_name=naming.old).filter(Exists(same))
    AliasTarget.objects.filter(pk__in=list(doubles.values_list("pk", flat=True))).delete()
    targets.update(domain_name=naming.new.name)
    for key in aliases:
        publish_on_commit(Topic.ACCOUNT, key, durable=True)
    for key in domains:
        publish_on_commit(Topic.DOMAIN, key, durable=True)
    return count
