"""What becomes of a domain's mailing lists: in its manifest, reloaded, renamed, recycled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import provisioning, recyclebin
from accounts import selectors as account_selectors
from accounts.errors import FeatureOff
from accounts.models import Recycled
from administration import renaming
from domains import renaming as of_domains
from domains.models import Domain
from jobs.progress import Progress
from mailboxes import manifest
from mailboxes.manifest import ManifestKeeper
from mailinglists import membership, selectors, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Subscriber
from tests.administration.reloadworld import directory, mail_world, reload
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    with mail_world(settings, tmp_path) as made:
        yield made


@pytest.fixture
def news(world: World) -> MailingList:
    row = services.create_list(
        domain=world.own, local_part="news", by=None, moderators=["alice"],
        poster_rules=[("@rude.example", "ban")], post_password="sesame",
        values={"footer_text": "Leave: $unsubscribe", "posting": "anyone"},
    )  # fmt: skip
    people = [NewSubscriber("ann@far.example", "Ann", "digest"), NewSubscriber("bob@far.example")]
    membership.add_subscribers(mailing_list=row, rows=people, by=None)
    membership.suspend(subscriber=Subscriber.objects.get(key="bob@far.example"), by=None)
    waiting = [NewSubscriber("eve@far.example")]
    membership.add_subscribers(mailing_list=row, rows=waiting, by=None, is_confirmed=False)
    return row


def written(domain: Domain) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory(domain) / manifest.NAME).read_text())
    return content


@pytest.mark.spec("D-034", "D-013")
def test_lists_come_back_from_the_manifest(world: World, news: MailingList) -> None:
    manifest.write(Domain.objects.select_related("area").get(pk=world.own.pk))
    content = written(world.own)
    (told,) = content["mailing_lists"]
    assert told["subscribers"] == [
        ["ann@far.example", "Ann", "digest", "active"],
        ["bob@far.example", "", "standard", "suspended"],
    ]
    assert "sesame" not in json.dumps(content) and news.post_password not in json.dumps(content)
    services.delete_list(mailing_list=news, by=None)
    content["seal"] = ""  # as another server wrote it
    (directory(world.own) / manifest.NAME).write_text(json.dumps(content))
    done = reload(world.own, by=world.reseller)
    assert done == {
        "lists_added": 1, "subscribers_added": 2,
        "errors": ["mailing list news: its post password has to be set anew"],
    }  # fmt: skip
    row = MailingList.objects.get()
    assert (row.footer_text, row.posting) == ("Leave: $unsubscribe", "anyone")
    assert services.moderator_names(row) == ["alice"]
    assert services.rules_of(row) == ["ban @rude.example"]
    states = dict(Subscriber.objects.values_list("key", "state"))
    assert states == {"ann@far.example": "active", "bob@far.example": "suspended"}
    assert reload(world.own) == {}


@pytest.mark.spec("D-070", "D-013")
def test_lists_that_are_out_of_use_come_back_too(world: World, news: MailingList) -> None:
    provisioning.change_tab(
        domain=world.own, tab="features", values={"mailing_lists": False}, by=None
    )
    manifest.write(Domain.objects.select_related("area").get(pk=world.own.pk))
    content = written(world.own)
    services.delete_list(mailing_list=news, by=None)
    content["seal"] = ""
    (directory(world.own) / manifest.NAME).write_text(json.dumps(content))
    assert reload(world.own)["lists_added"] == 1
    assert Subscriber.objects.count() == 2
    with pytest.raises(FeatureOff):
        selectors.list_for(world.admin, "news@own.example")


@pytest.mark.spec("D-013")
def test_what_is_wrong_in_one_list_stops_no_other(world: World) -> None:
    manifest.write(Domain.objects.select_related("area").get(pk=world.own.pk))
    content = written(world.own)
    content["seal"] = ""
    content["mailing_lists"] = [
        {"local_part": "alice"}, {"local_part": "a b"}, {}, "nonsense", {"local_part": 7},
        {"local_part": "one", "posting": "nobody"}, {"local_part": "two", "subscribers": [1]},
        {"local_part": "three", "subscribers": [["ann@far.example", "", "x", "y"]]},
    ]  # fmt: skip
    (directory(world.own) / manifest.NAME).write_text(json.dumps(content))
    done = reload(world.own)
    names = set(MailingList.objects.values_list("local_part", flat=True))
    assert "three" in names and not names & {"alice", "a b", "one"}
    assert len(done["errors"]) == 5
    assert Subscriber.objects.get().mode == "standard"


@pytest.mark.spec("D-034")
def test_changes_of_lists_reach_the_manifest_within_minutes(
    world: World, news: MailingList, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = ManifestKeeper()
    assert keeper.run_once() == 2
    services.change_list(mailing_list=news, values={"description": "Anew"}, by=None)
    assert keeper.run_once() == 0
    monkeypatch.setattr("mailboxes.manifest.PAUSE_SECONDS", 0)
    services.change_list(mailing_list=news, values={"description": "Anew again"}, by=None)
    for due in keeper._later:
        keeper._later[due] = 0
    assert keeper.run_once() == 1
    assert written(world.own)["mailing_lists"][0]["description"] == "Anew again"


@pytest.mark.spec("D-113")
def test_a_renamed_domain_keeps_its_lists(world: World, news: MailingList) -> None:
    domain = Domain.objects.select_related("area").get(pk=world.own.pk)
    naming = of_domains.plan(domain, "new.example", keeps_old=True)
    renaming.run(Progress(job_id=0), naming, by=None)
    row = selectors.list_for(world.root, "news@new.example")
    assert row.pk == news.pk and row.address == "news@new.example"
    assert row.subscribers.count() == 3
    assert selectors.list_for(world.root, "news@own.example").pk == news.pk  # its alias now


@pytest.mark.spec("D-008")
def test_a_domain_out_of_the_recycle_bin_has_its_lists_again(
    world: World, news: MailingList
) -> None:
    provisioning.close_domain(domain=world.own, by=None)
    assert not selectors.lists_for(world.root).exists()
    recyclebin.restore(item=Recycled.objects.get(), by=None)
    assert account_selectors.domain_for(world.root, "own.example")
    assert selectors.list_for(world.root, "news@own.example").subscribers.count() == 3
