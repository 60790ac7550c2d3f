"""The backup of a domain has what its people and names prove themselves by, and gives it back."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from accounts import (
    apppasswords,
    authentication,
    provisioning,
    recyclebin,
    secondfactor,
    secrets,
)
from accounts.errors import CodeRefused, WrongCredentials
from accounts.models import AppPassword, Authenticator, AuthenticatorKind, Recycled, User
from accounts.settings import DELETION
from clock.moments import utc_now
from domains.models import Domain
from mailhost.backup import domainsecrets, locking, onedomain
from mailhost.backup.contents import BackupError
from mailhost.backup.locking import Lock
from protocols import totp
from retrieval import bookkeeping, services
from retrieval.models import PASSWORD_PURPOSE, FetchedMessage, Kind, RetrievalAccount
from signing import directory, keys
from signing.models import SigningKey
from tests.administration.reloadworld import mail_world
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "own.example"
PASSPHRASE = "a long way to Tipperary"
TOTP_SECRET, PASSKEY = b"time-based secret 20", b"public part of a passkey"
EVERYTHING = {"app_passwords_added": 2, "second_factors_added": 2, "signing_keys_added": 6}


@dataclass
class Proofs:
    """What alice and the domain had when the backup was made."""

    world: World
    app_password: str
    cram_md5_state: bytes
    public_keys: set[tuple[str, str]]


@pytest.fixture(scope="module")
def pairs() -> list[RSAPrivateKey]:
    """Made once: it takes longer than all that is done with them."""
    return [generate_private_key(public_exponent=65537, key_size=keys.RSA_BITS) for _ in range(4)]


@pytest.fixture(autouse=True)
def quick_pairs(pairs: list[RSAPrivateKey], monkeypatch: pytest.MonkeyPatch) -> None:
    following = cycle(pairs)
    monkeypatch.setattr(keys, "generate_private_key", lambda **_: next(following))


@pytest.fixture
def proofs(settings: Any, tmp_path: Path) -> Iterator[Proofs]:
    """Two names, each with a pair that signs and, one of them, with a pair that waits."""
    with mail_world(settings, tmp_path / "data") as world:
        row, password = apppasswords.add(user=world.user, name="phone", by=None)
        apppasswords.add(user=world.user, name="desk", by=None, scopes=["imap"])
        now = utc_now()
        for kind, name, credential_id, secret in (
            (AuthenticatorKind.TOTP, "app", "", TOTP_SECRET),
            (AuthenticatorKind.PASSKEY, "token", "abc-123", PASSKEY),
        ):
            device = secondfactor.Device(kind, name, credential_id, secret, -1, now, None)
            assert secondfactor.bring(user=world.user, device=device, by=None)
        made = keys.generate(domain=world.own, by=None, now=now)
        keys.take_into_use(keys=[key.pk for key in made], now=now)
        keys.generate(domain=world.own, by=None, now=now, names=[DOMAIN])
        state = secrets.decrypt("cram-md5 state", bytes(row.cram_md5_state))
        yield Proofs(world, password, state, public_keys(world.own))


def public_keys(domain: Domain) -> set[tuple[str, str]]:
    rows = SigningKey.objects.filter(domain=domain, retired_at=None)
    return {(row.record_name, row.public_key) for row in rows}


def with_another_key(settings: Any) -> None:
    """As on another server."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the key of another server", []


def taken(tmp_path: Path, lock: Lock = Lock.SERVER_KEY) -> Path:
    folder = tmp_path / "backup"
    made = onedomain.take(DOMAIN, folder, now=utc_now(), lock=lock, passphrase=PASSPHRASE)
    assert made.damaged == []
    return folder


def gone(proofs: Proofs) -> None:
    DELETION.change({"recycle_days": 0}, by=None)
    provisioning.close_domain(domain=proofs.world.own, by=None)
    assert not AppPassword.objects.exists() and not Authenticator.objects.exists()


def restored(folder: Path, name: str = DOMAIN, **options: Any) -> onedomain.RestoredDomain:
    done = onedomain.restore(name, folder, **options)[1]
    assert done.errors == []
    return done


def added(done: onedomain.RestoredDomain) -> dict[str, int]:
    return {name: getattr(done, name) for name in EVERYTHING}


def logs_in(password: str, name: str = f"alice@{DOMAIN}", service: str = "imap") -> bool:
    try:
        authentication.check_password(name, password, service=service, local_ip=None, now=utc_now())
    except WrongCredentials:
        return False
    return True


@pytest.mark.spec("X-032")
@pytest.mark.parametrize("lock", list(Lock))
def test_what_proved_them_before_proves_them_again(
    proofs: Proofs, tmp_path: Path, settings: Any, lock: Lock
) -> None:
    folder = taken(tmp_path, lock)
    gone(proofs)
    if lock != Lock.SERVER_KEY:
        with_another_key(settings)
    done = restored(folder, passphrase=PASSPHRASE)
    assert added(done) == EVERYTHING and done.left_out == []
    alice = User.objects.get(domain__name=DOMAIN, local_part="alice")
    assert logs_in(proofs.app_password)
    state = bytes(AppPassword.objects.get(user=alice, name="phone").cram_md5_state)
    assert secrets.decrypt("cram-md5 state", state) == proofs.cram_md5_state
    assert AppPassword.objects.get(user=alice, name="desk").scopes == ["imap"]
    now = utc_now()
    step = int(now.timestamp()) // totp.STEP_SECONDS
    secondfactor.check_code(user=alice, code=totp.code(TOTP_SECRET, step), now=now)
    with pytest.raises(CodeRefused):
        secondfactor.check_code(user=alice, code="000000", now=now)
    passkey = Authenticator.objects.get(user=alice, kind=AuthenticatorKind.PASSKEY)
    assert passkey.credential_id == "abc-123"
    assert secrets.decrypt(secondfactor.PURPOSE, bytes(passkey.secret)) == PASSKEY
    domain = Domain.objects.get(name=DOMAIN)
    assert public_keys(domain) == proofs.public_keys
    directory.clear()
    signers = directory.signers(domain.pk)
    assert {name: len(of) for name, of in signers.items()} == {DOMAIN: 2, "alias.example": 2}
    assert all(signer.sign(b"x") for of in signers.values() for signer in of)
    # Once more adds nothing.
    assert set(added(restored(folder, passphrase=PASSPHRASE)).values()) == {0}


def test_nobody_reads_them_in_the_folder_unless_that_was_asked_for(
    proofs: Proofs, tmp_path: Path
) -> None:
    row = SigningKey.objects.filter(domain=proofs.world.own, algorithm="ed25519").first()
    assert row is not None
    private = keys.known_key(row).private_key
    for lock in Lock:
        folder = taken(tmp_path / lock.name, lock)
        file = folder / domainsecrets.NAME
        assert file.stat().st_mode & 0o777 == 0o600
        whole = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
        content = json.loads(file.read_bytes())
        assert content["count"] == 10
        opened = locking.open_(
            locking.Locked(lock=lock, octets=b64(content["locked"]["octets"])), PASSPHRASE
        )
        for secret in (TOTP_SECRET, private):
            assert text64(secret) in opened and text64(secret) not in whole
            assert secret not in whole


def b64(text: str) -> bytes:
    return base64.b64decode(text)


def text64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def test_a_server_with_another_key_tells_what_it_cannot_open_and_restores_the_rest(
    proofs: Proofs, tmp_path: Path, settings: Any
) -> None:
    folder = taken(tmp_path)
    gone(proofs)
    with_another_key(settings)
    done = restored(folder)
    assert set(added(done).values()) == {0} and done.users_added == 1
    assert done.left_out == [
        "10 app passwords, second factors, signing keys and accounts on other servers: they are"
        " encrypted with another server key"
    ]


def test_without_the_passphrase_nothing_is_changed(proofs: Proofs, tmp_path: Path) -> None:
    folder = taken(tmp_path, Lock.PASSPHRASE)
    gone(proofs)
    for passphrase, words in (("", "none is given"), ("another passphrase", "is not theirs")):
        with pytest.raises(BackupError, match=words):
            onedomain.restore(DOMAIN, folder, passphrase=passphrase)
    assert not Domain.objects.filter(name=DOMAIN).exists()
    assert set(added(restored(folder, is_without_secrets=True)).values()) == {0}
    with pytest.raises(BackupError, match="at least"):
        onedomain.take(
            DOMAIN, tmp_path / "short", now=utc_now(), lock=Lock.PASSPHRASE, passphrase="short"
        )
    assert not (tmp_path / "short").exists()


def test_what_was_taken_away_since_stays_away(proofs: Proofs, tmp_path: Path) -> None:
    alice, own = proofs.world.user, proofs.world.own
    folder = taken(tmp_path)
    apppasswords.remove(app_password=alice.app_passwords.get(name="phone"), by=None)
    token = Authenticator.objects.get(user=alice, name="token")
    secondfactor.remove(authenticator=token, by=None)
    old = SigningKey.objects.filter(domain=own, name="alias.example", retired_at=None).first()
    assert old is not None
    keys.retire(domain=own, selector=old.selector, by=None, now=utc_now(), name="alias.example")
    SigningKey.objects.filter(pk=old.pk).delete()  # as it is two weeks later
    done = restored(folder)
    assert set(added(done).values()) == {0} and done.left_out == []
    assert not logs_in(proofs.app_password)
    secondfactor.reset(user=alice, by=None)
    assert set(added(restored(folder)).values()) == {0}
    # What only got lost comes back.
    AppPassword.objects.filter(user=alice, name="desk").delete()
    assert restored(folder).app_passwords_added == 1


@pytest.mark.spec("X-032")
def test_accounts_on_other_servers_come_back_switched_off_and_know_what_they_brought(
    proofs: Proofs, tmp_path: Path
) -> None:
    def add(host: str, **values: Any) -> RetrievalAccount:
        given = {"host": host, "username": "ann", **values}
        return services.add(user=alice, kind=Kind.IMAP, values=given, password=host, by=None)

    alice = proofs.world.user
    account = add("imap.elsewhere.example", interval_minutes=30)
    removed = add("old.elsewhere.example")
    work = bookkeeping.folder_of(account.pk, "Work", 77)
    bookkeeping.note_progress(work, last_uid=9, highest_modseq=5)
    FetchedMessage.objects.create(
        id=1, folder=work, uidvalidity=77, key="9", digest="d" * 64, fetched_at=utc_now()
    )
    folder = taken(tmp_path)
    services.remove(account=removed, by=None)
    assert restored(folder).retrieval_accounts_added == 0
    account.delete()
    done = restored(folder)
    assert done.retrieval_accounts_added == 1
    assert len(done.left_out) == 1 and "switched off" in done.left_out[0]
    back = RetrievalAccount.objects.get()
    assert (back.user, back.host, back.interval_minutes) == (alice, "imap.elsewhere.example", 30)
    assert not back.is_enabled
    assert secrets.decrypt(PASSWORD_PURPOSE, bytes(back.password)) == b"imap.elsewhere.example"
    known = back.folders.get()
    assert (known.name, known.uidvalidity, known.last_uid) == ("Work", 77, 9)
    assert list(bookkeeping.known(known)) == ["9"]
    # Another server has them, too, and the password stands in no file as it is.
    assert b"imap.elsewhere.example" not in (folder / "domain-secrets.json").read_bytes()


def test_newer_signing_keys_go_on(proofs: Proofs, tmp_path: Path) -> None:
    folder = taken(tmp_path)
    gone(proofs)
    assert restored(folder, is_without_secrets=True).users_added == 1
    domain = Domain.objects.get(name=DOMAIN)
    fresh = keys.generate(domain=domain, by=None, now=utc_now(), names=[DOMAIN])
    done = restored(folder)
    assert done.signing_keys_added == 2  # of the alias
    here = SigningKey.objects.filter(domain=domain, name=DOMAIN)
    assert set(here.values_list("public_key", flat=True)) == {key.public_key for key in fresh}


def test_what_the_recycle_bin_has_comes_when_it_is_purged(proofs: Proofs, tmp_path: Path) -> None:
    folder = taken(tmp_path)
    provisioning.close_domain(domain=proofs.world.own, by=None)
    done = restored(folder)
    assert added(done) == {
        "app_passwords_added": 2, "second_factors_added": 1, "signing_keys_added": 0
    }  # fmt: skip
    assert len(done.left_out) == 7 and "purge" in done.left_out[0]
    recyclebin.purge(item=Recycled.objects.get(), by=None)
    assert added(restored(folder)) == {
        "app_passwords_added": 0, "second_factors_added": 1, "signing_keys_added": 6
    }  # fmt: skip


def test_under_another_name_people_have_theirs_and_keys_stay_behind(
    proofs: Proofs, tmp_path: Path
) -> None:
    folder = taken(tmp_path)
    gone(proofs)
    done = onedomain.restore("moved.example", folder)[1]
    assert added(done) == {**EVERYTHING, "signing_keys_added": 0}
    assert logs_in(proofs.app_password, "alice@moved.example")


def test_a_value_that_is_none_is_told_of_and_stops_no_other(proofs: Proofs, tmp_path: Path) -> None:
    folder = taken(tmp_path, Lock.NOTHING)
    file = folder / domainsecrets.NAME
    content = json.loads(file.read_bytes())
    inside = json.loads(b64(content["locked"]["octets"]))
    inside["app_passwords"][0]["password"] = "in the clear"
    inside["second_factors"][0]["device"]["kind"] = "oracle"
    inside["second_factors"][1]["user"] = "nobody"
    inside["signing_keys"][0]["public_key"] = inside["signing_keys"][1]["public_key"]
    content["locked"]["octets"] = text64(json.dumps(inside).encode()).decode()
    file.write_text(json.dumps(content))
    gone(proofs)
    done = restored(folder)
    assert added(done) == {
        "app_passwords_added": 1, "second_factors_added": 0, "signing_keys_added": 5
    }  # fmt: skip
    assert len(done.left_out) == 4
    Authenticator.objects.update(secret=b"\x03 none of ours")
    apart = onedomain.take(DOMAIN, tmp_path / "apart", now=utc_now())
    assert apart.damaged == []


@rules(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=200), is_inside=st.booleans())
def test_any_other_file_is_refused_in_one_way(
    tmp_path: Path, octets: bytes, is_inside: bool
) -> None:
    path = tmp_path / "file"
    file = {"count": 1, "locked": {"lock": "nothing", "octets": text64(octets).decode()}}
    path.write_bytes(json.dumps(file).encode() if is_inside else octets)
    with pytest.raises(BackupError):
        domainsecrets.read(path, "")


def test_commands_ask_for_the_passphrase(
    proofs: Proofs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSPHRASE}\n"))
        out = io.StringIO()
        call_command(*arguments, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    with pytest.raises(CommandError, match="that is for --domain"):
        run("backup", str(tmp_path / "backup"), "--secrets")
    run("backup", str(tmp_path / "backup"), "--domain", DOMAIN, "--passphrase")
    gone(proofs)
    with pytest.raises(CommandError, match="none is given"):
        run("restore", str(tmp_path / "backup"), "--domain", DOMAIN)
    told = run("restore", str(tmp_path / "backup"), "--domain", DOMAIN, "--passphrase")
    assert "app passwords added: 2" in told and "signing keys added: 6" in told
