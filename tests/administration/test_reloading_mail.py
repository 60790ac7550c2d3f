"""Reload brings folders, UIDs and flags back, as an index in the domain's folder says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from accounts import provisioning
from blobs.committer import Committer, process_committer
from blobs.models import Blob
from blobs.reading import forget_all
from clock.moments import utc_now
from domains.models import Domain
from mailboxes import folders, index, indexing, placing, reading, rescanning, verify
from mailboxes.copying import Copy
from mailboxes.expunging import Expunge
from mailboxes.flags import ChangeFlags, How
from mailboxes.models import Flag, Folder, Message, Subscription
from mailboxes.rescanning import Rescan
from mailboxes.selected import SelectedFolder
from mailhost.backup import contents, onedomain
from mailhost.backup.contents import BackupError
from tests.administration.reloadworld import (
    all_is_counted,
    directory,
    folder_of,
    mail_world,
    receive,
    reload,
    state,
)
from tests.factories import make_domain
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    with mail_world(settings, tmp_path / "data") as made:
        yield made


def mark(folder: Folder, uid: int, flags: int, *keywords: str) -> None:
    process_committer().commit_now(
        ChangeFlags(
            folder_id=folder.pk, uids=[uid], how=How.REPLACE, flags=flags, keywords=keywords
        )
    )


def put(backup: Path, domain: Domain) -> Path:
    goal = directory(domain)
    shutil.copytree(backup, goal, dirs_exist_ok=True)
    return goal


@pytest.fixture
def backup(world: World, tmp_path: Path) -> Path:
    """Of own.example: three messages in alice's Inbox, one of them in Work/Done as well."""
    receive("alice@own.example", "one", "two", "three")
    inbox = folder_of(world.own, "alice")
    mark(inbox, 2, Flag.SEEN | Flag.FLAGGED, "$Work", "colour")
    folders.create(account_id=world.user.pk, name="Work/Done", now=utc_now())
    folders.unsubscribe(account_id=world.user.pk, name="Work")
    copied(inbox, folder_of(world.own, "alice", "Work/Done"), 2)
    onedomain.take("own.example", tmp_path / "backup", now=utc_now())
    return tmp_path / "backup"


def copied(source: Folder, target: Folder, uid: int) -> None:
    domain_id = source.account.domain_id
    assert domain_id is not None
    process_committer().commit_now(
        Copy(
            source_id=source.pk, source_domain_id=domain_id, uids=[uid], target_id=target.pk,
            target_account_id=target.account_id, target_domain_id=domain_id,
        )
    )  # fmt: skip


@pytest.mark.spec("D-013", "X-032")
def test_a_folder_with_an_index_makes_the_mailboxes_as_they_were(
    world: World, backup: Path
) -> None:
    before = state(world.own)
    subscribed = set(Subscription.objects.filter(account=world.user).values_list("name", flat=True))
    provisioning.close_domain(domain=world.own, by=None)
    fresh = make_domain("own.example")
    put(backup, fresh)
    done = reload(fresh)
    assert done.pop("subscriptions_added") >= 6
    assert done.pop("settings_changed", 0) >= 0
    assert done == {
        "users_added": 1, "aliases_added": 1, "domain_aliases_added": 1, "messages_added": 4,
        "folders_added": len(before),
    }  # fmt: skip
    assert state(fresh) == before
    alice = fresh.users.get(local_part="alice")
    names = Subscription.objects.filter(account=alice).values_list("name", flat=True)
    assert set(names) == subscribed
    # Two messages of the same bytes still have one blob.
    blobs = Message.objects.filter(folder__account=alice).values_list("blob_id", flat=True)
    assert (len(blobs), len(set(blobs))) == (4, 3)
    assert all(Blob.objects.get(pk=key).segment.area_id == fresh.area_id for key in blobs)
    all_is_counted()
    assert reload(fresh) == {}
    assert (directory(fresh) / index.IMPORTED).exists()
    assert not (directory(fresh) / index.NAME).exists()


@pytest.mark.spec("D-013")
def test_what_differs_is_merged_and_told_to_who_looks(world: World, backup: Path) -> None:
    inbox = folder_of(world.own, "alice")
    receive("alice@own.example", "four")
    mark(inbox, 2, Flag.ANSWERED)
    with_deleted(inbox, world.own, 1)
    seen = SelectedFolder(inbox.pk, lambda folder: None)
    seen.absorb(reading.read_all(inbox.pk))
    view = seen.view(lambda: None)
    put(backup, world.own)
    assert reload(world.own) == {"messages_added": 1, "messages_known": 3, "messages_changed": 1}
    seen.absorb(reading.read_news(inbox.pk, seen.modseq))
    news = view.take_news(may_expunge=True)
    assert (news.expunged, news.exists) == ((), 4)
    [(_, row)] = news.changed
    assert (row.uid, row.flags, row.keywords) == (2, Flag.SEEN | Flag.FLAGGED, "$Work colour")
    after = folder_of(world.own, "alice")
    assert (after.pk, after.uidvalidity) == (inbox.pk, inbox.uidvalidity)
    # The one that was expunged has come back, and its UID is another one.
    assert list(seen.uids) == [2, 3, 4, 5]
    all_is_counted()
    assert reload(world.own) == {}
    # The same folder once more: there is nothing that it could bring.
    put(backup, world.own)
    assert reload(world.own) == {"messages_known": 4}


def with_deleted(folder: Folder, domain: Domain, uid: int) -> None:
    process_committer().commit_now(
        Expunge(folder_id=folder.pk, domain_id=domain.pk, uids=[uid], even_unflagged=True)
    )


def test_mail_that_comes_while_a_folder_is_filled_goes_behind_it(
    world: World, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(world.own)
    fresh = make_domain("fresh.example", "alice")
    make_beside, came = placing.make_beside, []

    def make_and_receive(line: index.FolderLine, **keys: int) -> int:
        made = make_beside(line, **keys)
        if (line.user, line.name) == ("alice", "INBOX"):
            came.append(line)
            receive("alice@fresh.example", "meanwhile")
        return made

    monkeypatch.setattr(placing, "make_beside", make_and_receive)
    put(backup, fresh)
    done = reload(fresh)
    assert came and not done.get("errors", [])[1:], done
    inbox = folder_of(fresh, "alice")
    uids = list(Message.objects.filter(folder=inbox).order_by("uid").values_list("uid", flat=True))
    assert uids == [1, 2, 3, came[0].uid_next + placing.UID_GAP]
    assert inbox.uidvalidity == before["alice@own.example/INBOX"][1]
    assert inbox.uid_next == uids[-1] + 1
    receive("alice@fresh.example", "later")
    assert Message.objects.filter(folder=inbox, uid=uids[-1] + 1).exists()
    all_is_counted()


def test_a_reload_that_was_cut_off_is_done_again(
    world: World, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = make_domain("fresh.example")
    put(backup, fresh)
    with monkeypatch.context() as broken:
        broken.setattr(placing, "put_in_place", cut_off)
        broken.setattr(placing, "drop_beside", lambda *_, **__: None)  # as a kill would
        assert reload(fresh)["errors"][-1].endswith("not looked through: the disk is full")
    assert Folder.objects.filter(account__domain=fresh, name__startswith=placing.BESIDE).exists()
    assert reload(fresh)["messages_added"] == 4
    expected = {name.partition("/")[2] for name in state(world.own)}
    names = Folder.objects.filter(account__domain=fresh).values_list("name", flat=True)
    assert set(names) == expected
    all_is_counted()


def cut_off(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


@pytest.mark.spec("D-013")
@pytest.mark.spec("D-034")
def test_the_folder_of_a_domain_keeps_an_index_of_its_own(world: World, backup: Path) -> None:
    domains = Domain.objects.count()
    assert indexing.write_all(now=utc_now()) == domains
    assert indexing.write_all(now=utc_now()) == 0
    path = directory(world.own) / index.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    # What this server wrote itself tells it nothing, however old it is.
    mark(folder_of(world.own, "alice"), 2, Flag.DRAFT)
    assert reload(world.own) == {}
    assert indexing.write_all(now=utc_now()) == 1
    before = state(world.own)
    fresh = make_domain("fresh.example")
    put(directory(world.own), fresh)
    assert reload(fresh)["messages_added"] == 4
    after = {name.replace("fresh", "own"): value for name, value in state(fresh).items()}
    assert after == before
    # What somebody else wrote is kept for Reload, not written over.
    shutil.copy(backup / index.NAME, path)
    assert indexing.write_all(now=utc_now()) >= 1
    assert (path.with_name(index.FOUND).exists(), index.is_ours(path, world.own.pk)) == (True, True)
    assert reload(world.own) == {"messages_changed": 1, "messages_known": 4}


def head(domain: str = "own.example") -> dict[str, Any]:
    return {"kind": "index", "format": 1, "domain": domain, "made_at": 0}


def folder_line(**values: Any) -> dict[str, Any]:
    usual = {
        "kind": "folder", "number": 1, "user": "alice", "name": "Fresh", "special_use": "",
        "uidvalidity": 7, "uid_next": 9, "highest_modseq": 9, "recent_uid": 0,
    }  # fmt: skip
    return usual | values


def message_line(**values: Any) -> dict[str, Any]:
    usual = {
        "kind": "message", "folder": 1, "uid": 1, "modseq": 2, "flags": 0, "keywords": "",
        "digest": "00" * 16, "prefix": "", "received_at": 0, "saved_at": 0,
    }  # fmt: skip
    return usual | values


def write_index(path: Path, lines: list[Any]) -> None:
    octets = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(octets) + b"\n")


def test_a_hostile_index_is_refused_line_by_line(world: World, backup: Path) -> None:
    receive("alice@other.example", "secret")
    secret = Message.objects.get(folder__account__domain=world.other).blob.digest.hex()
    known = Blob.objects.get(
        pk=Message.objects.get(folder=folder_of(world.own, "alice"), uid=1).blob_id
    ).digest.hex()
    lines = [
        head(),
        folder_line(name="../../etc"), message_line(digest=known),  # a name as any other
        folder_line(number=2, name="a//b"), message_line(folder=2, digest=known),
        folder_line(number=3, uidvalidity=2**32), folder_line(number=3, name="x" * 2000),
        folder_line(number=4, name="INBOX", special_use="trash"),
        folder_line(number=5, name="Being restored 1"),
        folder_line(number=6, user="nobody"), message_line(folder=6, digest=known),
        folder_line(number=7, name="Ok"),
        message_line(folder=7, digest=secret),
        message_line(folder=7, uid=2, digest=known, flags=1, keywords="good"),
        message_line(folder=7, uid=2, digest=known),
        message_line(folder=7, uid=3, digest=known, prefix="Subject: x\r\n\r\nbody"),
        message_line(folder=7, uid=3, digest=known, keywords="(bad"),
        message_line(folder=7, uid=2**40, digest=known), message_line(folder=7, uid="4"),
        message_line(folder=7, uid=5, digest=known, received_at=10**30),
        message_line(folder=8, uid=6, digest=known), b"\xff\xfe", b"[" * 100_000, b"null",
        b'{"kind":"folder"', b" " * (index.LONGEST_LINE * 2), {"kind": "blob"}, head(),
        {"kind": "subscription", "user": "alice", "name": "Lists\x00"},
        {"kind": "subscription", "user": "alice", "name": "Lists"},
    ]  # fmt: skip
    goal = put(backup, world.own)
    write_index(goal / index.NAME, lines)
    others = state(world.other)
    done = reload(world.own)
    assert (done["folders_added"], done["messages_added"]) == (2, 2)
    assert (done["subscriptions_added"], done["index_lines_refused"]) == (1, 25)
    assert "there is no user nobody, who has mail in the folder" in done["errors"]
    assert "message 1 in 'Ok' of alice: no file has its bytes" in done["errors"]
    [row] = Message.objects.filter(folder=folder_of(world.own, "alice", "Ok"))
    assert (row.uid, row.flags, row.keywords) == (2, 1, "good")
    assert state(world.other) == others
    all_is_counted()


def test_neither_links_nor_pipes_are_followed(world: World, backup: Path) -> None:
    receive("alice@other.example", "secret")
    goal = directory(world.own)
    [segment] = directory(world.other).glob("*.seg")
    (goal / segment.name).symlink_to(segment)
    (goal / index.NAME).symlink_to(backup / index.NAME)
    errors = reload(world.own)["errors"]
    assert f"{segment.name} is no file of its own" in errors
    assert any(words.startswith("the index cannot be read: ") for words in errors)
    (goal / index.NAME).unlink()
    os.mkfifo(goal / index.NAME)
    (goal / segment.name).unlink()
    assert reload(world.own) == {"errors": ["the index cannot be read: it is no file"]}


@pytest.mark.spec("X-032")
def test_a_damaged_message_is_told_of_and_the_others_are_copied(
    world: World, tmp_path: Path
) -> None:
    receive("alice@own.example", "whole", "broken")
    forget_all()
    [segment] = directory(world.own).glob("*.seg")
    octets = segment.read_bytes()
    segment.write_bytes(octets.replace(b"Subject: broken", b"Subject: brOken"))
    made = onedomain.take("own.example", tmp_path / "backup", now=utc_now())
    [words] = made.damaged
    assert "body checksum" in words
    shown = StringIO()
    arguments = ("restore", str(tmp_path / "backup"), "--domain", "fresh.example")
    call_command(*arguments, stdout=shown, stderr=shown)
    assert "Restored fresh.example from own.example as it was at" in shown.getvalue()
    assert "messages added: 1\n" in shown.getvalue()
    assert "message 2 in 'INBOX' of alice: no file has its bytes" in shown.getvalue()
    fresh = Domain.objects.get(name="fresh.example")
    assert [row.uid for row in Message.objects.filter(folder=folder_of(fresh, "alice"))] == [1]
    all_is_counted()


def test_the_commands_say_why_they_do_nothing(world: World, backup: Path, tmp_path: Path) -> None:
    new = str(tmp_path / "new")
    for arguments, words in (
        (("backup", new, "--domain", "none.example"), "none.example"),
        (("backup", str(backup), "--domain", "own.example"), "is there already"),
        (("restore", new, "--domain", "own.example"), "is no backup of a domain"),
        (("restore", str(backup), "--domain", "no name"), "no name"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command(*arguments)
        assert not Path(new).exists()
    (backup / "manifest.json").write_text('{"format": 1, "domain": {}, "users": [7, {}]}')
    with pytest.raises(CommandError, match="the manifest has no administrator"):
        call_command("restore", str(backup), "--domain", "fresh.example")
    assert not Domain.objects.filter(name="fresh.example").exists()
    with pytest.raises(BackupError, match="restore it with --domain"):
        contents.read(backup)


ANY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.floats(), st.just([]),
    st.sampled_from([0, 1, 2, 2**31, 2**32, 4_000_000_000, 2**61, -1, "INBOX", "Sent", "alice"]),
)  # fmt: skip


@st.composite
def twisted(draw: st.DrawFn, digests: list[str]) -> list[Any]:
    """An index of which some values, and whole lines, are anything at all."""
    lines: list[Any] = [head()]
    for number in range(1, draw(st.integers(1, 4))):
        name = draw(st.sampled_from(["INBOX", "Sent", "New", "New/Below", "Being restored 1"]))
        use = draw(st.sampled_from(["", "inbox", "sent"]))
        lines.append(folder_line(number=number, name=name, special_use=use))
        for uid in draw(st.lists(st.integers(1, 9), max_size=4)):
            digest = draw(st.sampled_from([*digests, "00" * 16]))
            lines.append(message_line(folder=number, uid=uid, digest=digest))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(1, len(lines) - 1)) if len(lines) > 1 else 0
        line = lines[place]
        if place and isinstance(line, dict):
            lines[place] = {**line, draw(st.sampled_from(sorted(line))): draw(ANY)}
    return [*lines, *draw(st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b)))]


def test_whatever_an_index_says_all_stays_counted(world: World, backup: Path) -> None:
    rows = Message.objects.filter(folder__account=world.user)
    digests = sorted({bytes(row.blob.digest).hex() for row in rows.select_related("blob")})
    others = state(world.other)

    @given(lines=twisted(digests))
    @rules(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    def never_fatal(lines: list[Any]) -> None:
        write_index(backup / index.NAME, lines)
        done = rescan(world.own, backup)
        again = rescan(world.own, backup)
        assert (again.brought.added, again.brought.folders) == (0, 0)
        assert again.brought.refused == done.brought.refused
        assert verify.verify() == []

    never_fatal()
    assert state(world.other) == others
    all_is_counted()


def rescan(domain: Domain, source: Path) -> Rescan:
    committer = Committer()
    try:
        return rescanning.rescan(domain, committer, lambda words: None, source)
    finally:
        committer.stop()
