"""A new server key while the server runs: made, taken into use, and the old one dropped (X-034).

Every step leaves a state from which the next run goes on, whatever ended this one: the file of
keys says how far it is. Processes of this machine look at that file before they write a value,
so from the moment at which it names the new key none is written with the old one but by who was
about it just then; that is why the old key is dropped some time later, after another look at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import secondfactor, secrets
from accounts.authentication import SALTS_PURPOSE
from accounts.settings import LOGIN
from blobs.errors import StoreFailed
from domains.models import Domain
from events import audit
from mailboxes import index, manifest
from mailhost import serverkeys
from mailhost.resealing import places
from mailhost.serverkeys import Kept, KeyFile, ServerKeys
from mailinglists import signedids, tokens
from protocols import srs
from spool import rewriting

Tell = Callable[[str], None]

# For how long what has been derived from the old key is asked for; None: nobody can say.
DERIVED: dict[str, timedelta | None] = {
    secondfactor.RECOVERY_PURPOSE: None,
    SALTS_PURPOSE: None,
    manifest.PURPOSE: None,
    index.PURPOSE: None,
    rewriting.PURPOSE: timedelta(days=srs.VALID_DAYS + 1),
    signedids.RETURN_PURPOSE: timedelta(days=30),
    signedids.LINK_PURPOSE: None,
    signedids.TOKEN_PURPOSE: tokens.LIFETIME,
}


class KeyNotReplaced(Exception):
    """The step cannot be done now; the text is for the operator."""


@dataclass(slots=True)
class Replaced:
    """What one run has done. `resealed`: values, by the column that has them.

    `complaints`: values that no key opens, which stay as they are, and files that stay old.
    """

    is_new_key_made: bool = False
    is_in_use: bool = False
    is_old_key_dropped: bool = False
    resealed: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    manifests: int = 0


def prepare() -> Replaced:
    """Make the new key, to be read but not yet written with. Raises KeyNotReplaced, OSError."""
    keys = _keys()
    file = keys.file
    if file.former:
        raise KeyNotReplaced("the last new key is still being taken into use: end that first")
    if file.following:
        return Replaced()
    keys.write(replace(file, following=serverkeys.new_key()))
    return Replaced(is_new_key_made=True)


def require_prepared() -> None:
    """Raises KeyNotReplaced where other machines cannot have the new key yet."""
    file = _keys().file
    if not (file.following or file.former):
        raise KeyNotReplaced("there is no new key yet: --prepare comes first")


def take_into_use(tell: Tell = lambda words: None) -> Replaced:
    """Write with the new key from now on, and encrypt all values with it; the old one is kept.

    Makes the key if that has not been done. Raises KeyNotReplaced, OSError.
    """
    keys, done = _keys(), Replaced(is_in_use=True)
    file = keys.file
    if not file.former:
        done.is_new_key_made = not file.following
        fresh = file.following or serverkeys.new_key()
        with transaction.atomic():
            audit.record(None, "began a new server key", LOGIN.load())
            # Before the commit: an entry that was written for nothing does no harm.
            keys.write(replace(file, current=fresh, following="", former=(file.current,)))
        tell("A new server key is in use.")
    _reseal(done, tell)
    return done


def finish(*, now: datetime, settle_seconds: float, tell: Tell = lambda words: None) -> Replaced:
    """Look at all values once more and drop the old key. Raises KeyNotReplaced, OSError.

    `settle_seconds`: for whoever encrypted a value with it just before it was replaced and has not
    committed yet, or keeps one in memory.
    """
    keys, done = _keys(), Replaced(is_in_use=True)
    if not keys.file.former:
        raise KeyNotReplaced("no new key is being taken into use")
    if settle_seconds:
        tell(f"Waiting {settle_seconds:g} s for what is under way.")
        time.sleep(settle_seconds)
    with serverkeys.dropping():
        _reseal(done, tell)
        done.manifests = _write_manifests(done)
        keys.follow()
        keys.write(_without_former(keys.file, now.date()))
    with transaction.atomic():
        audit.record(None, "dropped the old server key", LOGIN.load())
    done.is_old_key_dropped = True
    return done


def replace_key(
    *, now: datetime, settle_seconds: float, tell: Tell = lambda words: None
) -> Replaced:
    """All of it, on a machine that shares its database with no other."""
    first = take_into_use(tell)
    last = finish(now=now, settle_seconds=settle_seconds, tell=tell)
    last.is_new_key_made = first.is_new_key_made
    for name, count in first.resealed.items():
        last.resealed[name] = last.resealed.get(name, 0) + count
    return last


def _keys() -> ServerKeys:
    keys: ServerKeys = settings.MAILHOST_SERVER_KEYS
    keys.follow()
    return keys


def _reseal(done: Replaced, tell: Tell) -> None:
    """Until a look at all finds nothing more to do."""
    while True:
        unreadable, found = [], 0
        for place in places():
            count = place.reseal()
            unreadable += count.unreadable
            found += count.resealed
            name = str(place)
            done.resealed[name] = done.resealed.get(name, 0) + count.resealed
            if count.resealed:
                tell(f"{name}: {count.resealed:,} encrypted anew")
        if not found:
            done.complaints = unreadable
            return


def _write_manifests(done: Replaced) -> int:
    """They have encrypted values as well, for a server that reads the folder later."""
    written = 0
    for key in list(Domain.objects.order_by("pk").values_list("pk", flat=True)):
        domain = Domain.objects.select_related("area", "renaming").filter(pk=key).first()
        if domain is None or domain.is_deleting or hasattr(domain, "renaming"):
            continue
        try:
            written += manifest.write(domain)
        except (OSError, StoreFailed) as error:
            done.complaints.append(f"the manifest of {domain.name} was not written: {error}")
    return written


def _without_former(file: KeyFile, today: date) -> KeyFile:
    fresh = [
        Kept(purpose, secrets.derived_by(purpose, key), today)
        for key in file.former
        for purpose in DERIVED
    ]
    old = [one for one in file.kept if not _is_over(one, today)]
    return KeyFile(file.current, kept=(*fresh, *old))


def _is_over(kept: Kept, today: date) -> bool:
    lasting = DERIVED.get(kept.purpose)
    return lasting is not None and today - kept.gone_on > lasting
