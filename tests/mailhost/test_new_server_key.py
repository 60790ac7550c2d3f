"""A new server key: everything that was encrypted is, with the new one, and nothing is lost."""

from __future__ import annotations

import ast
import base64
import fcntl
import imaplib
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from django.apps import apps
from django.conf import LazySettings, settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import models
from django.test import Client
from django_q.signing import BadSignature, SignedPackage

from accounts import authentication, secondfactor, secrets, userimport
from accounts.models import RecoveryCode, User, WebSession
from accounts.secrets import SealedField, Undecipherable
from clock.moments import utc_now
from domains.models import Domain
from events.models import AuditEntry
from jobs.models import Job
from mailboxes import manifest
from mailhost import newserverkey, resealing, serverkeys
from mailhost.backup import database, locking, taking
from mailhost.backup.contents import BackupError
from mailhost.newserverkey import KeyNotReplaced
from mailhost.resealing import TEXT_PURPOSES, Place
from mailhost.serverkeys import ServerKeys
from panel.forms import wizard
from protocols import srs
from spool import rewriting
from spool.models import Gateway
from tests.adminsite.adminrows import make_row
from tests.factories import PASSWORD, make_domain, make_user
from tests.reading import wait_for
from tests.running import ROOT, RunningServer

# Columns of bytes that are no secrets of ours to be read again: hashes, salts, notes.
NOT_ENCRYPTED = {
    "accounts.User.scram_salt", "accounts.User.scram_stored_key", "accounts.User.scram_server_key",
    "blobs.Blob.digest", "switchboard.Change.payload",
}  # fmt: skip
# Of what lies in files that nobody finds: they stay with the key they were made with.
IN_FILES = {locking.PURPOSE}
SECRET = b"the secret of it"


@pytest.fixture
def keys(tmp_path: Path, settings: LazySettings) -> ServerKeys:
    """The keys of a server of its own."""
    settings.MAILHOST_DATA = tmp_path / "data"
    made = ServerKeys(tmp_path / "data" / "keys" / "server.key")
    settings.MAILHOST_SERVER_KEYS = made
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = made.file.current, []
    return made


def sealed_fields() -> Iterator[tuple[type[models.Model], SealedField]]:
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, SealedField):
                yield model, field


def fill() -> Callable[[], None]:
    """A secret in every column and text there is; the answer looks whether all can be read."""
    domain = make_domain("one.example", "ann")
    ann = User.objects.get(domain=domain, local_part="ann")
    known, numbers = {User: ann, Domain: domain}, count(1)
    rows = []
    for model, field in sealed_fields():
        row = ann if model is User else make_row(model, known, numbers)
        kept = {field.attname: secrets.encrypt(field.purpose, SECRET)}
        model._base_manager.filter(pk=row.pk).update(**kept)
        rows.append((model, field, row.pk))
    texts = {
        purpose: base64.b64encode(secrets.encrypt(purpose, SECRET)).decode()
        for purpose in TEXT_PURPOSES
    }
    job = Job.objects.create(
        kind="import", actor="x", created_at=utc_now(),
        arguments={"sealed": texts[userimport.PURPOSE], "domain": 1, "other": "x"},
    )  # fmt: skip
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session["draft"] = {"password": texts[wizard.PURPOSE], "steps": ["a", None, 1]}
    session["files"] = [{"sealed": texts[userimport.PURPOSE]}]
    session.save()

    def look() -> None:
        for model, field, key in rows:
            value = model._base_manager.values_list(field.attname, flat=True).get(pk=key)
            assert secrets.decrypt(field.purpose, value) == SECRET, field
        kept = Job.objects.get(pk=job.pk).arguments
        assert (kept["domain"], kept["other"]) == (1, "x")
        assert opened(userimport.PURPOSE, kept["sealed"]) == SECRET
        found = import_module(settings.SESSION_ENGINE).SessionStore(session.session_key)
        assert found["draft"]["steps"] == ["a", None, 1]
        assert opened(wizard.PURPOSE, found["draft"]["password"]) == SECRET
        assert opened(userimport.PURPOSE, found["files"][0]["sealed"]) == SECRET

    return look


def opened(purpose: str, text: str) -> bytes:
    return secrets.decrypt(purpose, base64.b64decode(text))


def rotate() -> newserverkey.Replaced:
    return newserverkey.replace_key(now=utc_now(), settle_seconds=0)


@pytest.mark.spec("X-034")
@pytest.mark.django_db
def test_everything_is_encrypted_anew_and_the_old_key_is_dropped(keys: ServerKeys) -> None:
    look, old = fill(), keys.file.current
    done = rotate()
    assert done.is_old_key_dropped and not done.complaints
    for _, field in sealed_fields():
        assert done.resealed[f"{field.model._meta.label}.{field.attname}"] >= 1
    assert keys.file.current != old and keys.file.others == () and old not in keys.path.read_text()
    look()
    again = rotate()
    assert again.is_old_key_dropped and list(again.resealed.values()) == list(
        done.resealed.values()
    )
    look()
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"began a new server key", "dropped the old server key"} <= verbs


def test_no_encrypted_column_and_no_purpose_is_forgotten() -> None:
    plain = {
        f"{model._meta.label}.{field.attname}"
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, models.BinaryField) and not isinstance(field, SealedField)
    }
    assert plain == NOT_ENCRYPTED
    of_columns = [field.purpose for _, field in sealed_fields()]
    assert all(of_columns)
    given = purposes_of("encrypt")
    assert given == {*of_columns, *TEXT_PURPOSES, *IN_FILES}
    assert purposes_of("derive", "derivations") == set(newserverkey.DERIVED)


def purposes_of(*verbs: str) -> set[str]:
    """Of every call of `accounts.secrets` in the program."""
    found = set()
    for path in sorted(ROOT.glob("*/**/*.py")):
        room = path.relative_to(ROOT)
        if room.parts[0] == "tests" or room.name in ("secrets.py", "resealing.py"):
            continue
        if room.parts[0] not in settings.ROOMS + ["panel"]:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "secrets" and node.func.attr in verbs:
                module = import_module(".".join(room.with_suffix("").parts))
                purpose = node.args[0]
                if isinstance(purpose, ast.Attribute):
                    assert isinstance(purpose.value, ast.Name)
                    found.add(getattr(vars(module)[purpose.value.id], purpose.attr))
                elif isinstance(purpose, ast.Name):
                    found.add(vars(module)[purpose.id])
                else:
                    found.add(ast.literal_eval(purpose))
    return found


class Killed(BaseException):
    """Ends a run as a signal does: nothing is tidied up but what a transaction undoes."""


@pytest.mark.spec("X-034")
@pytest.mark.django_db(transaction=True)
def test_ended_at_any_moment_it_goes_on_and_nothing_is_lost(
    keys: ServerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = fill()
    steps, fatal = count(), -1

    def mortal(act: Callable[..., Any]) -> Callable[..., Any]:
        def act_or_die(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == fatal:
                raise Killed
            result = act(*args, **kwargs)
            if next(steps) == fatal:
                raise Killed
            return result

        return act_or_die

    monkeypatch.setattr(ServerKeys, "write", mortal(ServerKeys.write))
    monkeypatch.setattr(Place, "_replace", mortal(Place._replace))
    rotate()
    moments = next(steps)
    assert moments > 30
    look()
    for fatal in range(0, moments - 1, 3):
        steps = count()
        before = keys.file.current
        with pytest.raises(Killed):
            rotate()
        look()
        # As another process, which begins with what the file says.
        settings.MAILHOST_SERVER_KEYS = ServerKeys(keys.path)
        fatal, keys = -1, settings.MAILHOST_SERVER_KEYS
        assert rotate().is_old_key_dropped
        look()
        assert keys.file.others == () and keys.file.current != before


@pytest.mark.django_db
def test_old_values_are_found_behind_many_new_ones_and_written_ones_are_kept(
    keys: ServerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    domain = make_domain("one.example", *(f"user{number}" for number in range(5)))
    users = User.objects.filter(domain=domain)
    users.update(cram_md5_state=secrets.encrypt(User.cram_md5_state.field.purpose, SECRET))
    last = users.order_by("pk").last()
    assert last is not None
    User.objects.filter(pk=last.pk).update(cram_md5_state=b"\x01 not of this server")
    meanwhile = secrets.encrypt("cram-md5 state", b"set meanwhile")
    first = users.order_by("pk").first()
    assert first is not None
    write = Place._write

    def slower(self: Place, changes: list[Any]) -> int:
        # Somebody else is faster than the command.
        User.objects.filter(pk=first.pk).update(cram_md5_state=meanwhile)
        return write(self, changes)

    monkeypatch.setattr(Place, "_write", slower)
    newserverkey.take_into_use()
    monkeypatch.undo()
    done = newserverkey.finish(now=utc_now(), settle_seconds=0)
    assert done.complaints == [f"accounts.User.cram_md5_state of {last.pk}"]
    values = dict(users.values_list("local_part", "cram_md5_state"))
    assert len(values) == 6
    for user in users.exclude(pk=last.pk):
        wanted = b"set meanwhile" if user.pk == first.pk else SECRET
        assert secrets.decrypt("cram-md5 state", user.cram_md5_state) == wanted


@pytest.mark.django_db
def test_what_was_derived_from_the_old_key_stays_valid(keys: ServerKeys) -> None:
    domain = make_domain("one.example", "ann")
    ann = User.objects.get(domain=domain, local_part="ann")
    codes = secondfactor.make_codes(user=ann, by=None)
    salt = authentication.scram_keys("nobody@one.example", service="imap", local_ip=None).salt
    sender = rewriting.sender_for("writer@elsewhere.example", "ann@one.example")
    local_part = sender.rpartition("@")[0]
    content = json.loads(manifest.build(domain))
    sealed = json.dumps(content).encode()
    for _ in range(2):
        rotate()
        assert authentication.scram_keys(
            "nobody@one.example", service="imap", local_ip=None
        ).salt == salt  # fmt: skip
        assert str(rewriting.restore(local_part)) == "writer@elsewhere.example"
        assert manifest.is_ours(sealed, domain.name, domain.pk)
        secondfactor.check_code(user=ann, code=codes.pop(), now=utc_now())
    assert RecoveryCode.objects.filter(user=ann).count() == len(codes)
    # A sender is asked for no longer than a report may take.
    now = utc_now() + timedelta(days=srs.VALID_DAYS + 2)
    newserverkey.replace_key(now=now, settle_seconds=0)
    assert [one.purpose for one in keys.file.kept].count(rewriting.PURPOSE) == 1
    assert [one.purpose for one in keys.file.kept].count(secondfactor.RECOVERY_PURPOSE) == 3


@pytest.mark.django_db
def test_who_is_logged_in_to_the_panel_stays_so(keys: ServerKeys) -> None:
    domain = make_domain("one.example", "ann", "ben")
    ann, ben = (User.objects.get(domain=domain, local_part=name) for name in ("ann", "ben"))
    clients = {}
    for user in (ann, ben):
        clients[user.pk] = Client()
        login = {"username": str(user), "password": PASSWORD}
        assert clients[user.pk].post("/panel/login/", login).status_code == 302
    newserverkey.take_into_use()
    session = Session.objects.get(session_key=clients[ben.pk].session.session_key)
    assert session.get_decoded()[HASH_SESSION_KEY] == ben.get_session_auth_hash()
    newserverkey.finish(now=utc_now(), settle_seconds=0)
    for user in (ann, ben):
        assert clients[user.pk].get("/panel/").status_code == 200
        key = clients[user.pk].session.session_key
        assert WebSession.objects.filter(user=user, session_key=key).exists()


@pytest.mark.django_db
def test_a_page_that_comes_between_key_and_sessions_keeps_its_place_in_the_list(
    keys: ServerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = make_user(make_domain("one.example"), "ann")
    client = Client()
    client.post("/panel/login/", {"username": str(ann), "password": PASSWORD})
    monkeypatch.setattr(newserverkey, "places", list)
    newserverkey.take_into_use()
    assert client.get("/panel/").status_code == 200
    key = client.session.session_key
    assert list(WebSession.objects.filter(user=ann).values_list("session_key", flat=True)) == [key]


@pytest.mark.django_db
def test_several_machines_get_the_file_before_it_is_used_and_before_the_old_key_goes(
    keys: ServerKeys, tmp_path: Path, settings: LazySettings
) -> None:
    settings.MAILHOST_CLUSTER = True
    look, old = fill(), keys.file.current
    for step in ((), ("--switch",), ("--finish",)):
        with pytest.raises(CommandError):
            call_command("rotate_server_key", *step)
    assert keys.file.by_age == (old,)
    call_command("rotate_server_key", "--prepare", verbosity=0)
    following = keys.file.following
    assert following and old == settings.SECRET_KEY
    with pytest.raises(CommandError, match="no new key is being taken into use"):
        call_command("rotate_server_key", "--finish")
    there = tmp_path / "there"
    there.write_bytes(keys.path.read_bytes())  # the other machine's copy
    call_command("rotate_server_key", "--switch", verbosity=0)
    assert following == settings.SECRET_KEY and keys.file.former == (old,)
    with_new_key = secrets.encrypt("p", b"x")
    with pytest.raises(CommandError, match="is still being taken into use"):
        call_command("rotate_server_key", "--prepare")
    # Read there before the second copy; what is written there still bears the old key.
    settings.MAILHOST_SERVER_KEYS = ServerKeys(there)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = old, [following]
    assert secrets.decrypt("p", with_new_key) == b"x"
    Gateway.objects.update(password=secrets.encrypt("gateway password", SECRET))
    settings.MAILHOST_SERVER_KEYS = ServerKeys(keys.path)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = following, [old]
    call_command("rotate_server_key", "--finish", settle_seconds=0, verbosity=0)
    assert settings.SECRET_KEY_FALLBACKS == []
    look()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one_and_a_backup_is_waited_for(
    keys: ServerKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serverkeys.alone(), pytest.raises(CommandError, match="another process"):
        call_command("rotate_server_key")
    tried = []

    def take(folder: Path) -> Any:
        # The values are copied now, and their key later: nobody may drop it in between.
        path = settings.MAILHOST_DATA / "run" / "server-key.lock"
        with path.open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tried.append(folder)
        raise OSError("enough")

    monkeypatch.setattr(database, "take", take)
    with pytest.raises(BackupError, match="enough"):
        taking.take(tmp_path / "backup", now=utc_now())
    with serverkeys.dropping():
        assert tried


@pytest.mark.django_db
def test_a_new_key_needs_an_old_one_that_is_not_being_replaced(keys: ServerKeys) -> None:
    with pytest.raises(KeyNotReplaced):
        newserverkey.finish(now=utc_now(), settle_seconds=0)
    sealed = secrets.encrypt("p", b"x")
    rotate()
    with pytest.raises(Undecipherable):
        secrets.decrypt("p", sealed)


def test_what_was_queued_under_the_old_key_is_done_under_the_new_one(keys: ServerKeys) -> None:
    package, old = SignedPackage.dumps({"func": "x"}), keys.file
    keys.write(serverkeys.KeyFile("new", former=(old.current,)))
    assert SignedPackage.loads(package) == {"func": "x"}
    keys.write(serverkeys.KeyFile("new"))
    with pytest.raises(BadSignature):
        SignedPackage.loads(package)
    assert SignedPackage.loads(SignedPackage.dumps([1])) == [1]


ROTATED = "rotated.example"


@pytest.mark.spec("X-034")
@pytest.mark.timeout(180)
def test_a_running_server_goes_on_with_a_new_key(server: RunningServer) -> None:
    # Of ben's password there is only a hash: the mail process will write what CRAM-MD5 needs.
    known = make_password(PASSWORD)
    users = (
        f"[{{username: ann, password: {PASSWORD}}}, {{username: ben, password_hash: '{known}'}}]"
    )
    domain = (
        f"{{name: {ROTATED}, admin: {{username: admin, password: {PASSWORD}}}, users: {users}}}"
    )
    server.manage("apply", "-", text=f"domains: [{domain}]")
    wait_for(lambda: logs_in(server, "ann"))
    browser = requests.Session()
    panel = f"http://127.0.0.1:{server.port('http')}/panel/"
    page = browser.get(f"{panel}login/", timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    login = {"username": f"ann@{ROTATED}", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    assert browser.post(f"{panel}login/", login, timeout=30).status_code == 200
    file = server.data / "keys" / "server.key"
    for _ in range(2):
        before = file.read_text().split()[0]
        told = server.manage("rotate_server_key", "--settle-seconds", "0", "--json")
        assert json.loads(told)["is_old_key_dropped"] and before not in file.read_text()
        # Before anything has to be read with the new key, something is written.
        assert logs_in(server, "ben")
        assert logs_in(server, "ann", by_key=True) and logs_in(server, "ben", by_key=True)
        assert "/panel/login/" not in browser.get(panel, timeout=30).url


def logs_in(server: RunningServer, name: str, *, by_key: bool = False) -> bool:
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=30)
    try:
        (client.login_cram_md5 if by_key else client.login)(f"{name}@{ROTATED}", PASSWORD)
    except imaplib.IMAP4.error:
        return False
    finally:
        client.shutdown()
    return True
