"""Reading a domain anew after something outside of the server has changed its folder (D-013)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts import administrators, aliases, editing, passwords, services
from accounts.models import CATCH_ALL, Role, User, UserAlias
from accounts.passwords import Verifiers
from accounts.secrets import Undecipherable
from accounts.services import USER_FIELDS, NewUser
from administration import listreload
from blobs.committer import Committer
from blobs.errors import StoreError
from blobs.holding import AreaBusy
from domains import selectors
from domains import services as domain_services
from domains.errors import DomainInRenaming, FolderInMove, Refused
from domains.models import TABS, Domain, DomainAlias, DomainRenaming, FolderMove
from domains.values import settable_fields
from events import audit
from jobs.progress import Progress
from mailboxes import manifest, rescanning, verify
from mailboxes.index import IndexBroken
from mailboxes.manifest import ManifestBroken
from mailboxes.models import Folder
from mailinglists import manifest as manifest_of_lists
from mailinglists.models import MailingList
from protocols.scram import ScramKeys
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

MOST_ERRORS = 100
STEPS = 5
BATCH = 500
OPTIONS = ("list_command_address", "is_disabled")


@dataclass(slots=True)
class Reloaded:
    """The summary: how many of what. What the folder lacks of people and addresses stays."""

    settings_changed: int = 0
    users_added: int = 0
    users_changed: int = 0
    aliases_added: int = 0
    aliases_changed: int = 0
    domain_aliases_added: int = 0
    lists_added: int = 0
    lists_changed: int = 0
    subscribers_added: int = 0
    not_in_folder: list[str] = field(default_factory=list)
    folders_added: int = 0  # with the UIDVALIDITY and the UIDs of the index
    subscriptions_added: int = 0
    messages_added: int = 0
    messages_known: int = 0
    messages_changed: int = 0  # their flags
    messages_expunged: int = 0
    index_lines_refused: int = 0
    counters_corrected: int = 0
    errors: list[str] = field(default_factory=list)

    def complain(self, words: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(words)


def run(
    progress: Progress, domain: Domain, *, by: User | None, source: Path | None = None
) -> Reloaded:
    """Every step may be done again. Raises DomainInRenaming, FolderInMove, JobStopped.

    `source`: a folder that is read instead of the domain's own, and left as it is; then StoreError
    and OSError, too.
    """
    if DomainRenaming.objects.filter(domain=domain).exists():
        raise DomainInRenaming(domain.name, "")
    move = FolderMove.objects.filter(domain=domain).first()
    if move is not None:
        raise FolderInMove(domain.name, move.new_path)
    done = Reloaded()
    progress.report(1, STEPS, "Reading the manifest in the folder")
    _import(domain, done, by, source)
    progress.report(2, STEPS, "Looking through the stored mail")
    _rescan(domain, done, progress, source)
    progress.report(3, STEPS, "Counting")
    done.counters_corrected = _recount(domain, progress)
    progress.report(4, STEPS, "Forgetting what is remembered of the domain")
    forget_everywhere(domain.pk)
    domain = Domain.objects.select_related("area").get(pk=domain.pk)
    try:
        manifest.write(domain)
    except (OSError, StoreError) as error:
        done.complain(f"the manifest was not written: {error}")
    with transaction.atomic():
        audit.record(by, "reloaded domain", domain)
    return done


def forget_everywhere(domain_id: int) -> None:
    """Every process asks the database anew about the domain and its people."""
    keys = list(User.objects.filter(domain=domain_id).values_list("pk", flat=True))
    for start in range(0, max(len(keys), 1), BATCH):
        with transaction.atomic():
            publish_on_commit(Topic.DOMAIN, domain_id, durable=True)
            for key in keys[start : start + BATCH]:
                publish_on_commit(Topic.ACCOUNT, key, durable=True)


def _rescan(domain: Domain, done: Reloaded, progress: Progress, source: Path | None) -> None:
    committer = Committer()

    def tell(words: str) -> None:
        progress.note(words)
        progress.check()

    try:
        found = rescanning.rescan(domain, committer, tell, source)
    except (AreaBusy, IndexBroken, StoreError, OSError) as error:
        if source is not None and isinstance(error, StoreError | OSError):
            raise  # without its mail nothing is restored
        done.complain(f"the stored mail was not looked through: {error}")
        return
    finally:
        committer.stop()
    brought = found.brought
    done.messages_added = found.added + brought.added
    done.messages_known = found.known + brought.known
    done.messages_changed, done.messages_expunged = brought.changed, found.expunged
    done.folders_added, done.subscriptions_added = brought.folders, brought.subscriptions
    done.index_lines_refused = brought.refused
    for words in (*brought.errors, *found.errors):
        done.complain(words)


def _recount(domain: Domain, progress: Progress) -> int:
    corrected = 0
    folders = Folder.objects.filter(account__domain=domain).order_by("pk")
    for folder_id in folders.values_list("pk", flat=True):
        progress.check()
        corrected += len(verify.verify_folder(folder_id, repair=True))
    return corrected + len(verify.verify_domain(domain.pk, repair=True))


def _import(domain: Domain, done: Reloaded, by: User | None, source: Path | None) -> None:
    """What somebody else has written of the domain; nothing is removed for not being there."""
    try:
        found = manifest.found(domain, source)
    except (ManifestBroken, OSError) as error:
        done.complain(f"the manifest cannot be read: {error}")
        return
    if found is None:
        return
    old_name = str(found["domain"].get("name", ""))
    _import_settings(domain, found, done, by)
    for name in _texts(found.get("domain_aliases"), "name"):
        if not DomainAlias.objects.filter(domain=domain, name=name).exists():
            with _Errors(done, f"domain alias {name}"):
                domain_services.add_alias(domain=domain, name=name, by=by)
                done.domain_aliases_added += 1
    for row in _rows(found.get("users")):
        _import_user(domain, row, old_name, done, by)
    for row in _rows(found.get("user_aliases")):
        _import_alias(domain, row, old_name, done, by)
    for row in _rows(found.get(manifest_of_lists.NAME)):
        _import_list(domain, row, done, by)
    done.not_in_folder = list(_absent(domain, found))[:MOST_ERRORS]
    if source is None:
        manifest.set_aside(domain)


class _Errors:
    """What one item refuses stops no other."""

    def __init__(self, done: Reloaded, what: str) -> None:
        self._done, self._what = done, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        # Somebody else's file may hold anything at all.
        if isinstance(error, Refused | ValueError | TypeError | KeyError | AttributeError):
            self._done.complain(f"{self._what}: {error}")
            return True
        return False


def _import_settings(
    domain: Domain, found: Mapping[str, Any], done: Reloaded, by: User | None
) -> None:
    given = found["domain"]
    options = {name: given[name] for name in OPTIONS if name in given}
    tabs = found.get("settings")
    parts: list[tuple[str, dict[str, Any]]] = [("options", {"options": options})]
    if isinstance(tabs, dict):
        for tab, model in TABS.items():
            values = tabs.get(tab) if isinstance(tabs.get(tab), dict) else {}
            row = selectors.tab_of(domain, tab)
            values = {
                name: value
                for name, value in (values or {}).items()
                if name in settable_fields(model) and getattr(row, name) != value
            }
            if values:
                parts.append((tab, {"tabs": {tab: values}}))
    for what, values in parts:
        before = Domain.objects.get(pk=domain.pk).version
        with _Errors(done, what.replace("_", " ")):
            editing.change_domain(domain=domain, by=by, **values)
            done.settings_changed += Domain.objects.get(pk=domain.pk).version != before


def _import_user(
    domain: Domain, row: Mapping[str, Any], old_name: str, done: Reloaded, by: User | None
) -> None:
    name = str(row.get("local_part", ""))
    with _Errors(done, f"user {name}"):
        values = {field: row[field] for field in USER_FIELDS if field in row}
        if isinstance(values.get("forward_to"), list):
            values["forward_to"] = [_moved(one, domain, old_name) for one in values["forward_to"]]
        is_administrator = row.get("role") == Role.DOMAIN_ADMINISTRATOR
        verifiers = verifiers_of(row)
        user = User.objects.select_related("domain").filter(domain=domain, local_part=name).first()
        if user is None:
            new = NewUser(
                username=name, verifiers=verifiers, is_administrator=is_administrator, values=values
            )
            services.add_users(domain=domain, users=[new], by=by)
            done.users_added += 1
            return
        before = user.version
        values = {field: value for field, value in values.items() if getattr(user, field) != value}
        if values:
            user = services.change_user(user=user, values=values, by=by)
        if verifiers is not None and verifiers.password != user.password:
            user = services.set_verifiers(user=user, verifiers=verifiers, by=by)
        if is_administrator and user.role != Role.DOMAIN_ADMINISTRATOR:
            user = administrators.grant(user=user, by=by)
        done.users_changed += user.version != before


def verifiers_of(row: Mapping[str, Any]) -> Verifiers | None:
    """None: the manifest has no password that this server could check."""
    password = str(row.get("password", ""))
    if not password.startswith("argon2"):
        return None
    keys = None
    if row.get("scram_iterations"):
        keys = ScramKeys(
            salt=b64decode(row["scram_salt"]),
            iterations=int(row["scram_iterations"]),
            stored_key=b64decode(row["scram_stored_key"]),
            server_key=b64decode(row["scram_server_key"]),
        )
    try:
        state = passwords.open_cram_md5(b64decode(row.get("cram_md5_state", "")))
    except Undecipherable:
        state = b""  # made with another server's key; the next log-in makes it anew
    return Verifiers(password, keys, state)


def _import_alias(
    domain: Domain, row: Mapping[str, Any], old_name: str, done: Reloaded, by: User | None
) -> None:
    name = str(row.get("local_part", ""))
    with _Errors(done, f"alias {name}"):
        targets = [_target(target, domain, old_name) for target in _rows(row.get("targets"))]
        values = {field: row[field] for field in aliases.fields_of(name) if field in row}
        alias = UserAlias.objects.filter(domain=domain, local_part=name).first()
        if name == CATCH_ALL:
            if alias is None:
                aliases.set_catch_all(domain=domain, targets=targets, values=values, by=by)
                done.aliases_added += 1
        elif alias is None:
            aliases.add_alias(domain=domain, name=name, targets=targets, values=values, by=by)
            done.aliases_added += 1
        else:
            same = sorted(aliases.target_names(alias)) == sorted(targets)
            values = {key: value for key, value in values.items() if getattr(alias, key) != value}
            if values or not same:
                aliases.change_alias(
                    alias=alias, targets=None if same else targets, values=values, by=by
                )
                done.aliases_changed += 1


def _import_list(domain: Domain, row: Mapping[str, Any], done: Reloaded, by: User | None) -> None:
    name = str(row.get("local_part", ""))
    with _Errors(done, f"mailing list {name}"):
        found = listreload.import_list(domain, row, by)
        done.lists_added += found.added
        done.lists_changed += found.changed
        done.subscribers_added += found.subscribers_added
        if found.remark:
            done.complain(f"mailing list {name}: {found.remark}")


def _target(target: Mapping[str, Any], domain: Domain, old_name: str) -> str:
    if "user" in target:
        return str(target["user"])
    return _moved(target["address"], domain, old_name)


def _moved(address: Any, domain: Domain, old_name: str) -> str:
    """An address at the name that the domain had there is one of this domain."""
    local_part, _, name = str(address).rpartition("@")
    return f"{local_part}@{domain.name if name == old_name else name}"


def _absent(domain: Domain, found: Mapping[str, Any]) -> Iterator[str]:
    users = set(_texts(found.get("users"), "local_part"))
    there = User.objects.filter(domain=domain).order_by("local_part")
    for name in there.values_list("local_part", flat=True):
        if name not in users:
            yield f"user {name}"
    named = set(_texts(found.get("user_aliases"), "local_part"))
    rows = UserAlias.objects.filter(domain=domain).order_by("local_part")
    for name in rows.values_list("local_part", flat=True):
        if name not in named:
            yield f"alias {name}"
    listed = set(_texts(found.get(manifest_of_lists.NAME), "local_part"))
    lists = MailingList.objects.filter(domain=domain).order_by("local_part")
    for name in lists.values_list("local_part", flat=True):
        if name not in listed:
            yield f"mailing list {name}"


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _texts(value: Any, key: str) -> list[str]:
    return [str(row[key]) for row in _rows(value) if key in row]
