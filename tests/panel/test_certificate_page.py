"""The page of certificates, the search for messages, and the archive's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from blobs.ids import encode_id, new_id
from certificates.models import Certificate
from certificates.settings import ACME
from clock.moments import utc_now
from spool.models import SpooledMessage
from tests.authority import Authority
from tests.browser import Visitor
from tests.panel.test_domain_pages import HOSTILE
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
PAGE = "/panel/certificates/"


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.MAILHOST_CERTIFICATES = tmp_path / "certificates"


def test_a_certificate_is_uploaded_and_removed(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    chain, key = Authority(utc_now()).bundle("mail.own.example")

    def upload(chain: bytes, host: str = "mail.own.example") -> str:
        files = {
            "chain": SimpleUploadedFile("chain.pem", chain),
            "key": SimpleUploadedFile("key.pem", key),
        }
        data = {"step": "upload", "name": host, **files}
        return client.post(PAGE, data, follow=True).content.decode()

    page = upload(b"nonsense")
    assert "cannot be used" in page and key.decode() not in page
    assert "is not a domain name" in upload(chain, "no host")
    assert not Certificate.objects.exists()
    assert "see this certificate from now on" in upload(chain)
    assert Certificate.objects.get().host == "mail.own.example"
    page = client.post(f"{PAGE}remove/", {"host": "mail.own.example"}, follow=True)
    assert "Removed mail.own.example" in page.content.decode()
    page = client.post(f"{PAGE}remove/", {"host": "default"}, follow=True)
    assert not Certificate.objects.exists() and "alert-danger" in page.content.decode()


def test_a_certificate_is_ordered_if_ordering_is_on(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    order = {"step": "order", "order-name": "mail.own.example"}
    assert "Ordering is off" in client.post(PAGE, order).content.decode()
    ACME.change({"is_enabled": True, "agrees_to_terms": True}, by=None)
    assert "will be ordered soon" in client.post(PAGE, order, follow=True).content.decode()
    page = client.post(PAGE, {**order, "order-name": "*.own.example"}).content.decode()
    assert "cannot be proven over HTTP" in page
    assert Certificate.objects.get().renew_at is not None
    Certificate.objects.update(last_error=HOSTILE, issuer=HOSTILE)
    assert HOSTILE not in client.get(PAGE).content.decode()


def test_the_search_finds_messages_in_sight_alone(world: World, log_in: LogIn) -> None:
    message = SpooledMessage.objects.create(
        id=new_id(), sender="alice@own.example", domain=world.own, origin="smtp", size_bytes=1,
        accepted_at=utc_now(), expires_at=utc_now(), recipients_total=1,
    )  # fmt: skip
    for who, is_found in ((world.root, True), (world.other_admin, False)):
        page = log_in(who).get("/panel/search/", {"q": "alice@own.example"}).content.decode()
        assert (encode_id(message.pk) in page) is is_found
    page = log_in(world.root).get("/panel/search/", {"q": "OWN"}).content.decode()
    assert "own.example" in page


@pytest.mark.django_db(transaction=True)
def test_the_pages_in_a_browser(visitor: Visitor) -> None:
    visitor.log_in(make_world().root)
    visitor.inspect(PAGE, "certificates-none")
    Certificate.objects.create(host="mail.own.example", source="acme", renew_at=utc_now())
    visitor.inspect(PAGE, "certificates")
    visitor.inspect("/panel/archive/", "archive")
