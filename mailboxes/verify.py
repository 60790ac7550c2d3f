"""Recounting: every counter and reference that mailboxes keep, against the rows they count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Sum

from blobs.models import Blob
from mailboxes import changes
from mailboxes.models import (
    AccountUsage,
    DomainUsage,
    ExpungedMessage,
    Flag,
    Folder,
    Message,
)

_BATCH = 500

# Messages have no index by blob, so each batch of blobs costs a look at all of them.
_BLOBS_AT_ONCE = 20_000

# How many rows of other rooms point at each blob with an id from the first to the last;
# those without any may be left out.
CountOthers = Callable[[int, int], Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that is not what its rows say."""

    what: str  # "folder 12 unseen"
    kept: int
    counted: int

    def __str__(self) -> str:
        return f"{self.what}: kept {self.kept}, counted {self.counted}"


def verify(*, repair: bool = False) -> list[Difference]:
    """Recount folders and usage, each in a short transaction, so mail goes on meanwhile."""
    found: list[Difference] = []
    for folder_id in _keys(Folder):
        found += verify_folder(folder_id, repair=repair)
    accounts = {row.pk for row in AccountUsage.objects.only("pk").iterator()}
    for account_id in sorted(accounts | set(_of_rows("folder__account_id"))):
        found += _verify_usage(AccountUsage, account_id, "folder__account_id", repair=repair)
    domains = {row.pk for row in DomainUsage.objects.only("pk").iterator()}
    for domain_id in sorted(domains | set(_of_rows("folder__account__domain_id"))):
        found += _verify_usage(DomainUsage, domain_id, "folder__account__domain_id", repair=repair)
    return found


@transaction.atomic
def verify_folder(folder_id: int, *, repair: bool = False) -> list[Difference]:
    """Recount one folder; nobody changes it meanwhile, because its row is locked."""
    folder = Folder.objects.select_for_update().filter(pk=folder_id).first()
    if folder is None:
        return []
    counted = _count_folder(folder)
    found = [
        Difference(f"folder {folder_id} {name}", getattr(folder, name), number)
        for name, number in counted.items()
        if getattr(folder, name) != number
    ]
    if found and repair:
        counted["highest_modseq"] += 1  # whoever looks has to read it anew
        Folder.objects.filter(pk=folder_id).update(**counted)
        changes.publish_unknown(folder_id)
    return found


def verify_domain(domain_id: int, *, repair: bool = False) -> list[Difference]:
    """Recount what one domain and its accounts use."""
    found: list[Difference] = []
    owners = AccountUsage.objects.filter(account__domain=domain_id).order_by("pk")
    for account_id in list(owners.values_list("pk", flat=True)):
        found += _verify_usage(AccountUsage, account_id, "folder__account_id", repair=repair)
    found += _verify_usage(DomainUsage, domain_id, "folder__account__domain_id", repair=repair)
    return found


def verify_references(count_others: CountOthers, *, repair: bool = False) -> list[Difference]:
    """Recount the references of every blob; `count_others` knows the rooms above this one."""
    found: list[Difference] = []
    for keys in _batches(_keys(Blob), _BLOBS_AT_ONCE):
        found += _verify_blobs(keys[0], keys[-1], count_others, repair=repair)
    return found


@transaction.atomic
def _verify_blobs(
    first: int, last: int, count_others: CountOthers, *, repair: bool
) -> list[Difference]:
    """Blobs are locked first: whoever adds or drops a row changes their count, too."""
    blobs = Blob.objects.select_for_update().filter(pk__gte=first, pk__lte=last).order_by("pk")
    kept = dict(blobs.values_list("pk", "references"))
    mine = Message.objects.filter(blob_id__gte=first, blob_id__lte=last).values_list("blob_id")
    counted = dict.fromkeys(kept, 0) | dict(mine.annotate(rows=Count("id")))
    for blob_id, number in count_others(first, last).items():
        counted[blob_id] = counted.get(blob_id, 0) + number
    wrong = [key for key in sorted(counted) if kept.get(key, 0) != counted[key]]
    if repair:
        for key in wrong:
            Blob.objects.filter(pk=key).update(references=counted[key])
    return [Difference(f"blob {key} references", kept.get(key, 0), counted[key]) for key in wrong]


def _count_folder(folder: Folder) -> dict[str, int]:
    rows = Message.objects.filter(folder=folder)
    totals = rows.aggregate(messages=Count("id"), bytes=Sum("size_bytes"))
    tops = rows.aggregate(uid=Max("uid"), modseq=Max("modseq"))
    gone = ExpungedMessage.objects.filter(folder=folder).aggregate(
        uid=Max("uid"), modseq=Max("modseq")
    )
    return {
        "messages": totals["messages"],
        "unseen": totals["messages"] - _with_flag(folder, Flag.SEEN),
        "deleted": _with_flag(folder, Flag.DELETED),
        "bytes": totals["bytes"] or 0,
        # These may be ahead of the rows, never behind.
        "uid_next": max(folder.uid_next, (tops["uid"] or 0) + 1, (gone["uid"] or 0) + 1),
        "highest_modseq": max(folder.highest_modseq, tops["modseq"] or 0, gone["modseq"] or 0),
    }


def _with_flag(folder: Folder, flag: int) -> int:
    marked = Message.objects.annotate(has=F("flags").bitand(flag))
    return marked.filter(folder=folder, has=flag).count()


def _verify_usage(model: Any, key: int, path: str, *, repair: bool) -> Iterator[Difference]:
    with transaction.atomic():
        # Whoever changes messages writes this row before the end, so locked means settled.
        row = model.objects.select_for_update().filter(pk=key).first() or model(pk=key)
        totals = Message.objects.filter(**{path: key}).aggregate(
            bytes=Sum("size_bytes"), messages=Count("id")
        )
        counted = {"bytes": totals["bytes"] or 0, "messages": totals["messages"]}
        name = model._meta.verbose_name
        wrong = {n: value for n, value in counted.items() if getattr(row, n) != value}
        if wrong and repair:
            model.objects.update_or_create(pk=key, defaults=counted)
    for field, value in wrong.items():
        yield Difference(f"{name} {key} {field}", getattr(row, field), value)


def _of_rows(path: str) -> Iterator[int]:
    yield from Message.objects.order_by(path).values_list(path, flat=True).distinct()


def _keys(model: Any) -> Iterator[int]:
    last = 0
    while keys := list(
        model.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_BATCH]
    ):
        yield from keys
        last = keys[-1]


def _batches(keys: Iterable[int], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for key in keys:
        batch.append(key)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
