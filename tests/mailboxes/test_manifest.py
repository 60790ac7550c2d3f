from __future__ import annotations

import json
import stat

import pytest

from accounts import services
from clock.moments import utc_now
from mailboxes import folders, manifest
from mailboxes.manifest import ManifestKeeper
from tests import factories

pytestmark = pytest.mark.spec("D-034")


@pytest.fixture
def domain(store):
    domain = factories.make_domain(None, "alice", limits={"users": 7})
    factories.make_alias(domain, "sales", "alice", "far@example.org")
    factories.make_domain_alias(domain, f"also.{domain.name}")
    return domain


def read(domain):
    return json.loads((domain.area.directory / manifest.NAME).read_text())


def test_a_manifest_holds_settings_people_and_addresses(domain):
    alice = domain.users.get(local_part="alice")
    folders.create(account_id=alice.pk, name="Work", now=utc_now())
    assert manifest.write(domain)
    content = read(domain)
    assert content["format"] == 1
    assert content["domain"]["name"] == domain.name
    assert content["settings"]["limits"]["users"] == 7
    assert [alias["name"] for alias in content["domain_aliases"]] == [f"also.{domain.name}"]
    [sales] = [a for a in content["user_aliases"] if a["local_part"] == "sales"]
    assert sales["targets"] == [{"user": "alice"}, {"address": "far@example.org"}]
    users = {user["local_part"]: user for user in content["users"]}
    assert users["alice"]["password"].startswith("argon2")
    assert "Work" in [folder["name"] for folder in users["alice"]["folders"]]
    mode = (domain.area.directory / manifest.NAME).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert not manifest.write(domain)  # nothing has changed


def test_changes_reach_the_manifest(domain, store):
    keeper = ManifestKeeper()
    assert keeper.run_once() == 1
    assert keeper.run_once() == 0
    factories.make_user(domain, "bob")
    assert keeper.run_once() == 1
    assert "bob" in [user["local_part"] for user in read(domain)["users"]]
    bob = domain.users.get(local_part="bob")
    services.change_user(user=bob, values={"full_name": "Bob"}, by=None)
    assert keeper.run_once() == 1
    [user] = [user for user in read(domain)["users"] if user["local_part"] == "bob"]
    assert user["full_name"] == "Bob"


def test_a_folder_that_cannot_be_written_does_not_stop_the_others(domain, store):
    other = factories.make_domain()
    directory = domain.area.directory
    if directory.exists():
        directory.rmdir()
    directory.write_text("in the way")
    assert ManifestKeeper().run_once() == 1
    assert read(other)["domain"]["name"] == other.name
