"""Signing keys and forwards over REST."""

import pytest

from accounts import forwarding


@pytest.mark.spec("F-040", "F-041")
def test_keys_are_generated_listed_and_retired(world, program):
    asker = program(world.admin)
    url = "domains/own.example/signing-keys/"
    made = asker.call("post", url, {})
    assert made.status_code == 201, made.json()
    names = [row["record_name"] for row in made.json()["items"]]
    assert "mh1r._domainkey.own.example" in names
    assert asker.call("post", url, {}).json()["type"] == "/api/problems/keys-waiting/"
    listed = asker.call("get", url).json()["items"]
    assert {row["state"] for row in listed} == {"waiting"}
    assert all("private" not in name for row in listed for name in row)
    assert asker.call("delete", f"{url}{names[0]}/").status_code == 204
    assert asker.call("get", f"{url}{names[0]}/").json()["state"] == "retired"
    assert asker.call("delete", f"{url}{names[0]}/").status_code == 404
    assert program(world.other_reseller).call("get", url).status_code == 404
    assert program(world.user).call("post", url, {}).status_code in (403, 404)


@pytest.mark.spec("G-046", lacks="forwards by content filters")
def test_a_users_forwards_are_set(world, program):
    asker = program(world.admin)
    url = "users/alice@own.example/"
    changed = asker.change(url, {"forward_to": ["away@far.test"], "keep_forwarded": False})
    assert changed.json()["forward_to"] == ["away@far.test"]
    assert changed.json()["keep_forwarded"] is False
    refused = asker.change(url, {"forward_to": ["nonsense@"]})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "forward_to"
    forwarding.add(name="strict.test", by=None)
    refused = asker.change(url, {"forward_to": ["x@strict.test"]})
    assert 400 <= refused.status_code < 500 and "x@strict.test" in refused.content.decode()
