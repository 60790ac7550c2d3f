"""A domain is read anew after its folder was changed from outside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts import provisioning
from accounts.errors import NotPermitted
from accounts.models import User, UserAlias
from administration import reloadjob, undo
from blobs.models import Blob, Segment
from blobs.reading import forget_all
from clock.moments import utc_now
from domains.models import Domain
from events.models import AuditEntry
from mailboxes import manifest, selectors
from mailboxes.models import DomainUsage, Flag, Folder, Message
from spool.maintenance import recover
from tests.administration.reloadworld import directory, mail_world, receive, reload
from tests.factories import PASSWORD, make_domain, make_user
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    with mail_world(settings, tmp_path) as made:
        yield made


def bodies(domain: Domain, user: str, folder: str = "INBOX") -> list[str]:
    row = Folder.objects.get(account__domain=domain, account__local_part=user, name=folder)
    uids = list(Message.objects.filter(folder=row).order_by("uid").values_list("uid", flat=True))
    read = [each.read().decode() for each in selectors.read_messages(row.pk, uids).values()]
    return [text.partition("Subject: ")[2].partition("\r\n")[0] for text in read]


@pytest.mark.spec("D-013")
def test_what_was_written_into_the_manifest_is_imported_once(world: World) -> None:
    own = Domain.objects.select_related("area").get(pk=world.own.pk)
    manifest.write(own)
    assert reload(world.own, by=world.reseller) == {}
    path = directory(world.own) / manifest.NAME
    content = json.loads(path.read_text())
    content["settings"]["limits"]["users"] = 33
    content["settings"]["technical"]["smtp_port"] = "many"
    [alice] = [user for user in content["users"] if user["local_part"] == "alice"]
    alice["full_name"] = "Alice Anew"
    content["users"].append({**alice, "local_part": "carol", "full_name": "Carol"})
    content["user_aliases"].append({"local_part": "team", "targets": [{"user": "carol"}]})
    caught = {"local_part": "*", "takes_reports": True, "targets": [{"user": "carol"}]}
    content["user_aliases"].append(caught)
    path.write_text(json.dumps(content))
    make_user(world.own, "later")
    # Whoever keeps manifests does not write over what he has not written himself.
    manifest.write(own)
    done = reload(world.own, by=world.reseller)
    operation = AuditEntry.objects.filter(verb="reloaded domain").latest("pk").operation
    assert done.pop("errors") == ["technical: technical.smtp_port: must be a whole number"]
    assert done.pop("not_in_folder") == ["user later"]
    assert done == {
        "settings_changed": 1, "users_added": 1, "users_changed": 1, "aliases_added": 2
    }  # fmt: skip
    assert User.objects.get(pk=world.user.pk).full_name == "Alice Anew"
    assert UserAlias.objects.get(domain=world.own, local_part="*").takes_reports
    assert Client().login(username="carol@own.example", password=PASSWORD)
    assert reload(world.own) == {}
    entries = list(AuditEntry.objects.filter(operation=operation))
    assert "reloaded domain" in {entry.verb for entry in entries}
    undo.undo(entries, by=world.reseller, skip_conflicts=True)
    assert User.objects.get(pk=world.user.pk).full_name != "Alice Anew"
    assert path.with_name(manifest.IMPORTED).exists()


@pytest.mark.spec("D-013")
def test_mail_whose_bytes_have_vanished_is_expunged(world: World) -> None:
    receive("alice@own.example", "one", "two")
    inbox = Folder.objects.get(account=world.user, name="INBOX")
    before = inbox.highest_modseq
    [segment] = directory(world.own).glob("*.seg")
    away = segment.rename(directory(world.own) / "elsewhere")
    # All of it gone: rather a volume that is not mounted.
    told = reload(world.own)
    assert told == {"errors": ["the folder has none of its files: nothing was expunged"]}
    away.rename(segment)
    receive("alice@own.example", "three")
    forget_all()
    segment.unlink()
    assert reload(world.own) == {"messages_expunged": 2}
    assert bodies(world.own, "alice") == ["three"]
    inbox.refresh_from_db()
    assert (inbox.messages, inbox.highest_modseq > before) == (1, True)
    assert DomainUsage.objects.get(domain=world.own).messages == 1
    assert reload(world.own) == {}


@pytest.mark.spec("D-116")
def test_a_copied_folder_makes_the_same_domain_under_another_name(world: World) -> None:
    receive("alice@own.example", "one", "two")
    Message.objects.filter(uid=2).update(flags=Flag.SEEN | Flag.FLAGGED, keywords="$Work")
    manifest.write(Domain.objects.select_related("area").get(pk=world.own.pk))
    fresh = make_domain("fresh.example")
    shutil.copytree(directory(world.own), directory(fresh), dirs_exist_ok=True)
    done = reload(fresh)
    assert done.pop("errors") == [
        "domain alias alias.example: alias.example is a domain or a domain alias already"
    ]
    assert done == {"users_added": 1, "aliases_added": 1, "messages_added": 2}
    assert reload(fresh) == {}
    provisioning.close_domain(domain=world.own, by=None)
    forget_all()
    assert bodies(fresh, "alice") == ["one", "two"]
    [second] = Message.objects.filter(folder__account__domain=fresh, uid=2)
    assert (second.flags, second.keywords) == (Flag.SEEN | Flag.FLAGGED, "$Work")
    assert "Delivered-To: alice@own.example" in second.prefix
    assert Client().login(username="alice@fresh.example", password=PASSWORD)


@pytest.mark.spec("D-116")
def test_a_folder_from_another_server_brings_its_mail_along(world: World) -> None:
    receive("alice@own.example", "far")
    fresh = make_domain("fresh.example", "alice")
    [segment] = directory(world.own).glob("*.seg")
    directory(fresh).mkdir(parents=True, exist_ok=True)
    copied = Path(shutil.copy(segment, directory(fresh)))
    # As if the rows had never been here.
    Message.objects.filter(folder__account__domain=world.own).delete()
    Blob.objects.all().delete()
    Segment.objects.all().delete()
    segment.unlink()
    # A start of the server meanwhile leaves the file alone, however old it is.
    recover(now=utc_now() + timedelta(days=1))
    assert copied.exists()
    assert reload(fresh) == {"messages_added": 1}
    assert bodies(fresh, "alice") == ["far"]
    # The same file once more brings nothing twice.
    shutil.copy(directory(fresh) / "imported" / copied.name, copied)
    assert reload(fresh) == {"messages_known": 1}


def test_only_those_above_the_domain_may_reload_it(world: World) -> None:
    for actor in (world.admin, world.user, world.other_reseller):
        with pytest.raises(NotPermitted):
            reloadjob.start_reload(domain=world.own, by=actor)
    first = reloadjob.start_reload(domain=world.own, by=world.reseller)
    assert reloadjob.start_reload(domain=world.own, by=world.root).pk == first.pk


def test_a_broken_manifest_is_told_of_and_stops_nothing(world: World) -> None:
    path = directory(world.own) / manifest.NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'{"format": 1, "domain": [')
    [words] = reload(world.own)["errors"]
    assert words.startswith("the manifest cannot be read:")
