"""Forwards, as users and their administrators set them."""

import pytest

from accounts import forwarding
from accounts.models import User
from tests.panel.test_domain_pages import filled

pytestmark = pytest.mark.django_db
OWN = "/panel/account/forwarding/"


@pytest.mark.spec("G-046", lacks="forwards by content filters")
def test_a_user_sets_his_own_forwards(world, log_in):
    client = log_in(world.user)
    posted = {"forward_to": "Away@Far.TEST\r\nother@far.test", "keep_forwarded": "on"}
    assert client.post(OWN, posted).status_code == 302
    user = User.objects.get(pk=world.user.pk)
    assert (user.forward_to, user.keep_forwarded) == (["Away@far.test", "other@far.test"], True)
    assert "Away@far.test" in client.get(OWN).content.decode()
    forwarding.add(name="strict.test", by=None)
    answer = client.post(OWN, {"forward_to": "x@strict.test nonsense@"})
    assert "nonsense@" in answer.content.decode()
    answer = client.post(OWN, {"forward_to": "x@strict.test"}).content.decode()
    assert "x@strict.test" in answer and "forwarded" in answer
    assert User.objects.get(pk=world.user.pk).keep_forwarded


def test_an_administrator_sets_them_on_the_page_of_the_user(world, log_in):
    client = log_in(world.admin)
    url = "/panel/domain/own.example/user/alice/"
    data = filled(client, url)
    data["forwarding-forward_to"] = "away@far.test"
    data.pop("forwarding-keep_forwarded")
    assert client.post(url, data).status_code == 302
    user = User.objects.get(pk=world.user.pk)
    assert (user.forward_to, user.keep_forwarded) == (["away@far.test"], False)


@pytest.mark.browser
def test_the_page_reads_well_everywhere(world, visitor):
    visitor.log_in(world.user).inspect(OWN, "forwarding")
